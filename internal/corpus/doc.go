// Package corpus holds tests only: scripts of SQL, one per feature of PostgreSQL that a session
// can carry, and specs of isolationtester. Each is run on a server directly and through Portero,
// in session and in transaction mode, and all that the server says has to be the same. What is
// not the same is listed in testdata/corpus/differences.txt, with the reason.
package corpus
