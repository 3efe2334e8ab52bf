// Package auth proves clients to us, and us to servers.
//
// It runs the password exchanges of the PostgreSQL protocol on a wire.Stream,
// on both of its ends. It never dials, never speaks TLS, sets no deadline and
// logs nothing; no error, String or message of it holds a secret. It runs in
// ordinary goroutines between accept and adoption, never on an event loop: an
// exchange blocks on its peer, and deriving SCRAM keys costs milliseconds of CPU.
//
// Invariants: secrets are compared in constant time; a user that does not
// exist sees what most users of the file see (the exchange, the verifier's
// shape, the delay, the error); nothing a peer sends is allocated, counted or
// computed without a bound.
package auth
