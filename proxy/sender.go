package proxy

import "portero/wire"

// sender is what the walsender of a client that replicates is at: no more than is needed to know
// when it may be left, and how. It has no I/O.
type sender struct {
	on       bool // the client replicates, and has its server
	asked    int  // commands that it has not answered to their end
	inBlock  bool // a transaction is open
	streams  bool // both sides send as they like (CopyBoth), or it waits for data (CopyIn)
	complete bool // the last that it said is that a command is complete: behind that it may end, and says so by no more
}

// fromClient takes in a message of the client, and reports whether it is the last.
func (s *sender) fromClient(f wire.Frame) (goodbye bool) {
	switch f.Type {
	case 'Q', 'F', 'S': // each is answered by a ReadyForQuery
		s.asked++
	case 'X':
		return true
	}
	return false
}

// fromServer takes in a message of the walsender.
func (s *sender) fromServer(f wire.Frame) {
	s.complete = f.Type == 'C'
	switch f.Type {
	case 'W', 'G':
		s.streams = true
	case 'Z':
		s.asked, s.streams = max(0, s.asked-1), false
		s.inBlock = len(f.Body) > 0 && f.Body[0] != 'I'
	}
}

// works reports whether it is at something that it does not look up from: it would not notice
// that its client has gone.
func (s *sender) works() bool { return s.asked > 0 && !s.streams }

// rests reports whether it may be left as Portero stops. A stream has no end to wait for; who
// reads it goes on elsewhere from where he has come to.
func (s *sender) rests() bool { return s.streams || s.asked == 0 && !s.inBlock }
