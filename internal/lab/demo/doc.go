// Command demo shows what Portero's clients see when the leader of a highly available
// PostgreSQL goes away, beside what the database itself could do at that time.
//
// It starts Portero first, then three etcd members and two Patroni groups, lets writers and
// idle clients work through Portero, and a prober write to the members directly. Then it makes
// things happen to the leader, and counts: how long the database took no writes, how long
// Portero's clients were paused, what errors they saw, and at the end, row by row, whether an
// acknowledged row was lost or one is there twice. If so it exits with status 1.
//
// A writer behaves as a careful application does: an error on a living client is answered by
// ROLLBACK and another try; where the outcome is not known (SQLSTATE 08007, or the client is
// dead) it looks whether the row is there before it tries again.
package main
