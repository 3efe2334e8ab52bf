// Command bench measures Portero beside what it replaces, on one machine and in one go:
// pgbench straight to PostgreSQL, through PgBouncer, through HAProxy and PgBouncer, and
// through Portero with one event loop and with one per core.
//
// It starts every server itself, in a temporary directory and on free ports of loopback,
// and stops them all. The chains take turns within each round, so that a machine that
// drifts (heat, neighbours) drifts for all of them; every figure is the median of the rounds.
//
// Beside that it measures idle clients' memory, and the latency of one client while another
// reads a large result.
//
// It never judges by its exit status: 0 means that everything was measured, also when
// Portero fell short of what it is to reach; 1 means that a run failed.
package main
