// Command drill plays the loss of servers, and of the links between them, to a Citus-like plan of
// three servers with Portero before it, and counts what clients saw.
//
// Each server is a network namespace with an address of its own: a member of etcd, and members
// of three Patroni groups (a coordinator and two workers), crossed over the servers as a layout
// says. Portero is on a fourth. The groups are plain PostgreSQL: what is proved is who is
// reached, and when, not what Citus makes of a statement.
//
// Each run finds leaders where the layout has them, sends off writers to every group, lets one
// event happen, waits until all is well again, and counts: rows that were confirmed and are
// lost, or are there twice, or are there although their client was told that they had failed;
// writes that reached a server that was no leader any more, as that server itself has logged
// them; errors, connections that were cut, and for how long writers waited, group by group,
// beside what the database itself could do.
//
// What it finds goes into the marked section of docs/failover.md. With -record it is kept in a
// file as well, so that all of it may be done in parts: only runs that the file does not hold
// yet are made, and all that it holds is reported.
//
// It does not judge by its exit status: 0 means that everything was measured, also where a
// promise was broken; 1 means that a run could not be brought to its end.
package main
