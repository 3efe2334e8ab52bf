package session

import (
	"portero/wire"
)

// Verdict says what becomes of a frame.
type Verdict uint8

const (
	Forward Verdict = iota // to the other side, as it came
	Discard                // to nobody
	Answer                 // to nobody; session.Reply has grown for the client
	Wait                   // to nobody yet: show it again when the server has answered more
	Finish                 // the client says goodbye
	Violate                // the sender broke the protocol; session.Fault says how
	Dying                  // a server's FATAL: it is about to close
	Repeat                 // to nobody: what was kept is to be asked again
	Settle                 // a ReadyForQuery: to the client as soon as Listens, Notifies and Gone are taken care of
	Hear                   // a notification for the client, if it does not get it otherwise
	Misname                // to nobody; what the client has asked runs under another's name, and is to be cancelled
)

// Session is what the frames of one client mean. It lives from a client's first
// frame to the client's next rest. Its parts are where their files are.
type Session struct {
	exchange   // what has been asked, and how far the server has come with it
	statements // what the client has prepared
	standing   // what it has set
	pinnedBy   // why it keeps its server
	listening  // what it has to do with notifications
	doubting   // what is known of a transaction that it is about to commit
	spreading  // what becomes of it where its transactions have several groups

	loss loss // what is still owed to the client for a server that is gone

	Queries      int // statements finished since the relay last looked
	Transactions int // ReadyForQuery with status I, likewise

	ClientParses, ServerParses, Binds int // of statements with names, where servers are shared, likewise

	Failed, Unknown int // transactions that a loss has rolled back, and those of which it is not known, likewise

	Reply []byte // for the client; the relay sends and empties it
	Fault *wire.Error
}

// exchange is what the client has asked, and how far the server has come with it.
type exchange struct {
	ring     ring
	now      state // of the transaction, as far as the answers tell
	status   byte  // of the last ReadyForQuery: I idle, T in a transaction, E in a failed one
	busy     bool  // something was forwarded that no ReadyForQuery has closed yet
	copyIn   bool  // the server takes CopyData
	early    bool  // ... and has been sent a Sync meanwhile, which it ignores if the COPY goes well
	stray    bool  // it did not go well: a ReadyForQuery may come that nobody waits for
	skipping bool  // the server ignores all up to the next Sync
	open     bool  // something of the extended protocol waits for its Sync
	pushed   bool  // the frame at hand has its request in the ring
	begun    bool  // the server has said something since the client has asked what is under way
	invited  bool  // ... and no more than that it takes the data of a COPY
	recopies bool  // that the client has heard already of a server that has gone: for it the COPY has begun

	// Of the oldest request:
	told     bool // it has been answered by an error, its ReadyForQuery is to come
	complete bool // it is a Query of one statement, which has completed: likewise
	partial  bool // it is a Query whose text was not seen whole, of which something has completed
	stepped  bool // something has been committed since the last ReadyForQuery, ahead of the rest of what was asked with it

	here    uint8                // parsedHere, boundHere
	bound   kind                 // of the unnamed portal
	named   kind                 // of the named portals, taken together
	portals map[string]Statement // by the name of a portal: what it runs, if it resets or refers to something

	owes bool // the client's ReadyForQuery, behind a Query of our own

	misnamed bool // the server has not taken the name that went ahead: it goes by another's
}

// Defaulter knows what a parameter is when nobody has set it.
type Defaulter interface {
	Default(name string) (value string, ok bool)
}

// Rest is what a client carries from one piece of work to the next.
type Rest struct {
	Settings Settings  // what it has set
	Base     Settings  // what it gave at its start
	names    *names    // its prepared statements; nil mostly
	unnamed  Statement // its unnamed one
}

// End gives up what the client carries, when it ends. On its loop.
func (r Rest) End() { r.names.clear() }

// Leave takes what the client carries out of what its loop counts, before it goes to another;
// Join counts it in there. Each is called on the loop that it is about. In between nothing else is
// to be asked.
func (r Rest) Leave() {
	for _, st := range r.names.all() {
		r.names.texts.letGo(st)
	}
}

// Join is the other half of Leave.
func (r Rest) Join(t *Texts) {
	if r.names == nil {
		return
	}
	r.names.texts = t
	for _, st := range r.names.all() {
		t.hold(st)
	}
}

// Reset makes the session fit for the next client, with what that client has
// carried here. Its Pinning is PinningPin until SetPinning.
func (s *Session) Reset(from Rest) {
	s.ring.clear()
	s.reused.empty()
	if cap(s.Reply) > 4096 {
		s.Reply = nil
	}
	ring, again, reply := s.ring, s.reused, s.Reply
	*s = Session{} // and no literal with all of it, which would be made elsewhere and copied
	s.ring, s.reused, s.Reply = ring, again, reply[:0]
	s.status = 'I'
	s.names, s.unnamed = from.names, from.unnamed
	s.settings, s.base, s.kept = from.Settings, from.Base, from.Settings
}

// Prepared is how many statements the client has under names. On its loop.
func (r Rest) Prepared() int { return r.names.len() }

// Rest is what the client carries on.
func (s *Session) Rest() Rest {
	return Rest{Settings: s.settings, Base: s.base, names: s.names, unnamed: s.unnamed}
}

// Limits bound what is carried from server to server.
type Limits struct {
	Server      int // statements that a server keeps
	Client      int // statements that a client has under names
	ClientBytes int // of these names and texts
	Bytes       int // of the texts that all clients have, equal ones of a loop counted once
	Settings    int // bytes of names and values of what a client has set; at more it keeps its server
}

// usualLimits are those of a session that shares nothing.
var usualLimits = Limits{Server: 200, Client: 1000, ClientBytes: 1 << 24, Bytes: 1 << 28, Settings: 8 << 10}

// Share has the session make its Statements by those of others on its loop, within
// limits. Without it a session has Texts of its own.
func (s *Session) Share(t *Texts, l Limits) { s.texts, s.limits = t, l }

// Settings are the client's, as far as a server has reported them.
func (s *Session) Settings() Settings { return s.settings }

// Serve tells the session which server answers from now on, as far as it must
// know it: what its parameters are where nobody has set them, and what it
// remembers. nil: none. Without a Memory the server is the client's alone, and
// has its statements under the client's names.
func (s *Session) Serve(d Defaulter, m *Memory) {
	s.defaults, s.memory, s.foreign, s.stray, s.haunted, s.misnamed = d, m, false, false, false, false
	if m != nil {
		m.cleanse()
	}
}

// Busy reports whether something was asked that no ReadyForQuery has closed yet.
func (s *Session) Busy() bool { return s.busy }

// Status is that of the last ReadyForQuery: I idle, T in a transaction, E in a
// failed one.
func (s *Session) Status() byte { return s.status }

// What a client may have asked without an answer, before no more is read of it.
const (
	maxUnanswered = 64 << 10 // requests
	maxPending    = 1 << 20  // bytes of texts to prepare; the server is asked to answer then
)

// Overasked reports whether a client that sends and never reads has asked so much
// that it is to wait for answers.
func (s *Session) Overasked() bool {
	return s.ring.len() > maxUnanswered || s.changes.size > maxPending
}

// Working reports whether the server may be at work on something, and not wait
// for the client.
func (s *Session) Working() bool { return !s.ring.empty() && !s.copyIn }

// Completes reports whether what was asked comes to its end without another word
// of the client: no COPY waits for data, and no Sync is missing.
func (s *Session) Completes() bool {
	i := s.ring.len() - 1
	for i >= 0 && s.ring.at(i).t == 'c' {
		i--
	}
	if s.copyIn || i < 0 {
		return false
	}
	t := s.ring.at(i).t
	return t == 'Q' || t == 'F' || t == 'S'
}

// Lost reports whether the client is still owed something for a server that is gone.
func (s *Session) Lost() bool { return s.loss.active() }

// Lending is the verdict on the server that the client holds.
type Lending uint8

const (
	Kept  Lending = iota // something is unanswered, a transaction is open, the client acts as somebody else there, or is pinned
	Free                 // anybody may have it
	Dirty                // nothing is owed, but nobody else may have it
)

// Lending is asked wherever a server might be given back: the one place that
// decides it.
func (s *Session) Lending() Lending {
	switch {
	case s.busy || s.status != 'I' || s.Bound() || s.pins != 0 || s.Asks() || s.heeds.asked:
		return Kept
	case s.stray || s.haunted || s.misnamed:
		return Dirty
	}
	return Free
}
