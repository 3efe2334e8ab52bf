// Package session knows what the frames of one client mean: what has been asked
// and not been answered, whether a transaction is open, whether the server may
// be lent to somebody else, and what the client is told when its server is gone.
//
// It is pure: no I/O, no clock, no goroutine. The relay shows it each frame and
// acts on its verdict; what a session has to say itself it leaves in Reply. So
// its tests are transcripts (testdata/session), played against it and against a
// real PostgreSQL.
//
// Invariants:
//   - the same frames in the same order give the same verdicts;
//   - what is unanswered stands in the ring, and nowhere else;
//   - Lending is the one verdict on giving a server back;
//   - a client's name of a prepared statement never reaches a server that others
//     use, and a name of ours is given once in a server's life;
//   - what a request changes of names takes hold when it is sent, and is taken
//     back when the server fails or skips it;
//   - what goes to a server beyond what the client has sent has its own request
//     in the ring, marked skipped.
package session
