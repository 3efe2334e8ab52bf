// Package failover holds tests only: the real program before a real Patroni
// cluster, through everything that makes a leader change. They take about two
// minutes; go test -short leaves them out.
package failover
