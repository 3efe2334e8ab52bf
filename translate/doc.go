// Package translate turns the files of a chain that Portero replaces into a
// proxy.toml: PgBouncer's pgbouncer.ini, HAProxy's haproxy.cfg, Patroni's
// patroni.yml.
//
// It never opens a file, dials or serves: what it reads comes by a function of
// its caller's. It stands before the data path.
//
// The settings of PgBouncer are rows of one table (settings): what a row says is
// what an import writes, what SHOW CONFIG answers (Show) and what SET does (Set).
//
// Invariants: a file is read as its owner reads it, so that what PgBouncer
// refuses is a fault here too, with its file and line, and all faults are found
// together; nothing that a pgbouncer.ini says is left out in silence: it is
// written, or there is a remark with the reason. Of the other two files only what
// leads to PostgreSQL is read.
package translate
