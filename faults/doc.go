// Command faults proves by fault injection what Portero does in a failover, beside what it
// replaces: HAProxy before a PgBouncer per host, and PgBouncer before HAProxy.
//
// It starts real etcd (three members), Patroni (two, synchronous) and one of the chains before
// them, lets clients of all kinds work through it (a crew), makes a fault happen, waits until
// all is well again, and counts: rows that were confirmed and are lost, or are there twice, or
// are there although their client was told that they had failed; writes that reached a server
// that was no leader any more, as that server itself has logged them; errors, connections that
// were cut, and for how long nothing was written, beside what the database itself could do.
//
// Each run has a crew and a count of its own. What it finds goes into the marked section of
// docs/failover.md, and around a switchover and a crash, as writes per 100 ms, into
// docs/failover.png. With -record it is kept in a file as well, so that all of it may be done in
// parts: only runs that the file does not hold yet are made, and all that it holds is reported.
//
// It does not judge by its exit status: 0 means that everything was measured, also where a
// chain broke its promises; 1 means that a run could not be brought to its end.
package main
