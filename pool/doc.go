// Package pool owns the connections to PostgreSQL servers: it opens them,
// makes them prove what they are, lends them to clients one transaction at a
// time, and closes them when their time or their leader is over.
//
// It never looks into a client's traffic and never decides what a client is
// told beyond the error that ends its wait.
//
// A Pool serves one key (cluster, group, role, max_lag, mode, database, user). puddle makes
// the servers and bounds how many there are; those that are idle lie at the
// places of their members, and in front of them stands one queue of waiting
// Claims, served strictly first come, first served.
//
// An asker puts questions about users who log in to the leader of a group, by a
// connection of its own.
//
// Invariants:
//   - no server is lent that has not proved on this very connection that it
//     is what the pool's role asks for, on a timeline not older than the
//     newest known;
//   - a server of an older epoch is never lent; idle ones are closed at once,
//     lent ones are taken away (Claim.Lost);
//   - no server begins a transaction at a replica of which it is not known that
//     it is within max_lag (lag.go);
//   - a server is never lent while a cancel request for it is in flight;
//   - what clients name becomes a pool only when a server has let it in; until
//     then it is a candidate, which has one opener and no series, and is gone
//     with its last client or a refusal;
//   - a server is lent only to who has given what it was opened with (Startup);
//   - whenever mu is free, nobody waits while a server is idle that he could
//     have, unless clients are held; and nobody without an opener on its way,
//     which may be patient (patience.go), while there is room, or a server of no
//     use to anybody who waits;
//   - between Citus' nodes no idle server goes by the name of a client for longer
//     than nameLingers (citus.go);
//   - a server's socket is touched only by the loop of the Claim that holds
//     it, or, idle, by the loop that watches it after it has taken the server
//     from the idle ones. Between two hands only what epoll watches is
//     changed, under mu;
//   - while a PAUSE stands no server of its pools is lent or opened, and none is open that
//     no claim holds: whatever leads (orders.go);
//   - a server that has been idle for server_check_delay is lent only after it
//     has given a sign of life, for which no client waits;
//   - a member that refuses the login ends a wait only if all that fit do.
package pool
