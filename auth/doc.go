// Package auth proves clients to us, and us to servers.
//
// It runs the password exchanges of the PostgreSQL protocol on a wire.Stream,
// on both of its ends. It dials nobody but LDAP servers, speaks TLS with nobody
// else, sets no deadline on a client and logs nothing; no error, String or message of it holds a secret. It runs in
// ordinary goroutines between accept and adoption, never on an event loop: an
// exchange blocks on its peer, and deriving SCRAM keys costs milliseconds of CPU.
//
// Which exchange it is, rules say: one method for all, [[auth.rule]] or a file
// as PostgreSQL's pg_hba.conf. Load reads them, with the user name maps and the
// user file, before anybody is served; matching them is pure but for samehost
// and samenet, which ask the kernel for this host's addresses at each login.
//
// What a user's secret is, the user file says; of others the servers do, if they
// are to be looked up (Home has the way to them), and an LDAP server or PAM says
// of a password whether it is right. An Authenticator remembers what it was
// told of users; what it remembers goes with it.
//
// Invariants: secrets are compared in constant time; a user that does not
// exist sees what most users of the file see (the exchange, the verifier's
// shape, the delay, the error); nothing a peer sends is allocated, counted or
// computed without a bound, and asked of others only at a pace; whoever could not
// be asked about is not told that the secret was wrong; a client that no rule matches is refused; a rule
// means what PostgreSQL 16 means by it, or is a fault.
package auth
