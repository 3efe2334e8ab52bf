// Package auth proves clients to us, and us to servers.
//
// It runs the password exchanges of the PostgreSQL protocol on a wire.Stream,
// on both of its ends. It never dials, never speaks TLS, sets no deadline and
// logs nothing; no error, String or message of it holds a secret. It runs in
// ordinary goroutines between accept and adoption, never on an event loop: an
// exchange blocks on its peer, and deriving SCRAM keys costs milliseconds of CPU.
//
// Which exchange it is, rules say: one method for all, [[auth.rule]] or a file
// as PostgreSQL's pg_hba.conf. Load reads them, with the user name maps and the
// user file, before anybody is served; matching them is pure but for samehost
// and samenet, which ask the kernel for this host's addresses at each login.
//
// Invariants: secrets are compared in constant time; a user that does not
// exist sees what most users of the file see (the exchange, the verifier's
// shape, the delay, the error); nothing a peer sends is allocated, counted or
// computed without a bound; a client that no rule matches is refused; a rule
// means what PostgreSQL 16 means by it, or is a fault.
package auth
