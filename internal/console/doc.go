// Package console holds tests only: programs that read PgBouncer's console read Portero's, in
// front of a real PostgreSQL that real clients use, and find all that they look for; and each
// table has the columns of a real PgBouncer, of the version that Debian has, where that has
// the table. Two of the programs are Go modules of their own, in testdata/console.
package console
