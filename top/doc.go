// Package top shows the console of a Portero as a live page of a terminal.
//
// A Model takes samples of the console's tables and keys; it is pure, and makes pages of
// them: lines of styled text. A Console reads the tables, over PostgreSQL's protocol, as any
// other client of the console; it only ever says SHOW. Run joins both with a terminal, and
// Batch with plain text. A PgBouncer can be looked at too: what it has no tables for says so.
package top
