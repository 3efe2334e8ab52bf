// Package lab runs real etcd, Patroni and PostgreSQL servers on loopback, for tests, the demo
// and benchmarks, and before them Portero itself: as a process, with clients that write
// (Writers), clients that wait (Crowd), and a Ledger of what they were told, to be held against
// what is there. It never imitates a server, never talks to one it has not started, and knows
// of Portero no more than its configuration, its log and its metrics.
//
// Everything a lab consists of lives in one directory: files, sockets, and by their working
// directory also processes. From that follow its invariants:
//
//   - What works below the directory belongs to the lab, and nothing else does; that is how a
//     postmaster is found although Patroni cuts it loose, and how Close leaves nothing behind.
//   - If the program dies without Close, direct children are killed by the kernel, and a small
//     shell that watches a pipe kills the rest and removes the directory.
//   - Ports are below the ephemeral range and reserved across processes, so that no client's
//     own port and no other lab takes one between the choice and its use.
//   - Nothing sleeps to wait: each wait asks for its condition, and ends with the context.
//
// As root the servers run as user postgres (PostgreSQL refuses root), else as oneself. The
// superuser is postgres, trusted from loopback; Patroni's clusters also have a database app
// that belongs to a role app with password app.
package lab
