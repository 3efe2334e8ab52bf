// Package wire turns bytes into PostgreSQL frames and back.
//
// It knows the shape of messages (PostgreSQL documentation, chapter "Frontend/
// Backend Protocol") and nothing of what they mean for a session. Apart from
// Stream, which reads and writes a handshake, it does no I/O; it never logs.
//
// Invariants: no length that a peer claims is allocated before it has been
// checked against a limit; a Frame's Body aliases the caller's buffer and is
// valid as long as that is.
package wire
