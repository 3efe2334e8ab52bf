// Package admin shows operators and Prometheus what Portero does, over HTTP, and over
// PostgreSQL's protocol on a console that passes for PgBouncer's.
//
// It never stands in the way of a client: it reads what it is handed functions for,
// on goroutines of its own, or on those of the console's clients. Over HTTP it changes
// nothing but by /accept-timeline. Whoever can reach that address can read it, and decide
// that, so the default address is on loopback. What the console is asked to change is done
// by functions that it is handed; who may ask is for the proxy to say.
//
//	/         status page, for people; its scripts and its look are below /page/
//	/state    what it shows, as JSON; /events has the same as server-sent events
//	/clients, /servers
//	          as SHOW has them, as JSON, with a filter
//	/metrics  for Prometheus
//	/failovers  the last failovers as JSON
//	/diff     what a reload would change, a line each; 422 and why it would fail
//	/healthz  200 while the process serves HTTP
//	/readyz   200 if clients can be served, else 503 and the reasons, one a line
//
//	/accept-timeline?cluster=NAME&group=NUMBER&timeline=NUMBER
//	          POST only: 200 if the group is now served on that older timeline of its
//	          leader, 404 if there is no such group, 409 and why if it is not held for it
//
// An orchestrator restarts what is not healthy and sends no clients to what is
// not ready. A Portero that has lost its leader is healthy: a restart would cut
// the clients it holds.
//
// What the page shows goes one way: a Snapshot is taken once a second while somebody reads
// (feed.go), encoded in parts (state.go), compared with the one before (book.go), and sent to
// all readers (events.go). The page itself is in page/, vanilla modules without a build step:
// live.js hears events, model.js enters them, the others each draw a part.
//
// Invariants of the console (console.go and those beside it; tables in show_*.go):
//   - PgBouncer's tables have its columns, in its order, of its types, to the letter: they are
//     read by position. What is ours stands in tables of our own;
//   - a database, and a database with a user, has one row: readers take two for doubles;
//   - a client that does not read its answer is given up, and none holds anything up.
package admin
