// Package proxy serves clients: it takes them from their first byte to their
// last and relays between them and the servers that a pool lends.
//
// It never dials a server and never learns which host it talks to: a client
// holds a pool, and a failover happens below it.
//
// A client's life: accept, the gate, the handshake (ordinary goroutines,
// blocking code), adopt (the client becomes a socket on a loop), welcome, and
// from then on rest and relay by turns. At rest a client is a struct and a
// descriptor. Relaying it has a coroutine (relay.go) that reads straight down:
// read frames, ask the session what they mean, lease a server, send them there
// and the answers back, give the server back. The files are named after this line.
//
// Who names the database pgbouncer or portero is taken aside behind the startup message
// (console.go): it proves who it is as all do, and is served in the goroutine of its
// handshake by whoever has set Proxy.Console.
//
// Invariants:
//   - clients are counted from accept to end, and of two who want a place the one
//     who is silent gives way;
//   - what a frame means is decided in session, which does no I/O;
//   - only whole frames are forwarded, unless a frame is larger than keepWhole:
//     so a server that dies leaves the client between two messages;
//   - nothing more is read from one side while the other has not taken what
//     it was sent;
//   - a client ends in one place, client.end, with one reason.
package proxy
