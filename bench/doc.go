// Command bench measures Portero beside what it replaces, on one machine and in one go:
// pgbench straight to PostgreSQL, through PgBouncer, through HAProxy and PgBouncer, and
// through Portero with one event loop and with one per core.
//
// It starts every server itself, in a temporary directory and on free ports of loopback,
// and stops them all. The chains take turns within each round, so that a machine that
// drifts (heat, neighbours) drifts for all of them; every figure is the median of the rounds.
//
// Beside that it measures TLS, logins, one client's latency in a storm of them and while
// another reads a large result, those who work among thousands at rest, idle clients' memory,
// and the processor time of large transfers (parts.go). It says of each thing that Portero is
// to reach whether it does (aims.go), draws a picture (draw.go), and reckons on paper what a
// hundred thousand clients take (scale.go).
//
// It never judges by its exit status: 0 means that everything was measured, also when
// Portero fell short of what it is to reach; 1 means that a run failed.
package main
