package session

// fates says, request by request, whether what a lost server did of it may have
// become durable. Nobody knows how far the server got; so all that it may have
// done is looked at: forward for the states in which it may have met each
// request, and back for what may have become of the transaction open then.
//
// It is called when a server is lost, and allocates.
func (s *Session) fates() []bool {
	s.recount()
	unknown := make([]bool, s.ring.len())
	before := s.mayMeet()
	var running [numStates]bool // may the transaction open in this state be committed from here on?
	for i := s.ring.len() - 1; i >= 0; i-- {
		q := s.ring.at(i)
		var next [numStates]bool
		for st := range numStates {
			m := q.effect[st]
			later := anyOf(m.out(), &running)
			if before[i].has(st) && (m&durable != 0 || later) {
				unknown[i] = true
			}
			// That it may have failed adds nothing: whatever keeps the work of a
			// failed block (ROLLBACK TO SAVEPOINT) keeps that of a block too.
			next[st] = m&keeps != 0 || m&same != 0 && later
		}
		running = next
	}
	return unknown
}

// recount makes the oldest request what is left of it: of a Query of several
// statements some may have completed. To do that with each would take a time that
// grows with their square.
func (s *Session) recount() {
	if !s.ring.empty() && s.ring.at(0).several() {
		s.ring.at(0).run(s.ring.scripts[0])
	}
}

// mayMeet is, for each request, the states in which the server may have met it.
func (s *Session) mayMeet() []states {
	before := make([]states, s.ring.len())
	running, stopped := s.now.set(), states(0)
	if s.partial {
		running = idle.set() | implicit.set() | block.set() // some of its statements are done, and nobody counted which
	}
	for i := range before {
		q := s.ring.at(i)
		before[i] = running
		if q.stops() {
			stopped |= failure(q.kind).from(running)
		}
		running = q.effect.from(running)
		if q.t == 'S' {
			running, stopped = running|stopped, 0
		}
	}
	return before
}

// stops reports whether an error in the request makes the server skip to the
// next Sync. What an error does to a Query is in its effect already.
func (q *request) stops() bool { return q.t != 'Q' && q.t != 'F' && q.t != 'S' && q.t != 'c' }

func anyOf(set states, of *[numStates]bool) bool {
	for st := range numStates {
		if set.has(st) && of[st] {
			return true
		}
	}
	return false
}

// fatesAtLastWord is fates for a server that said why it ends, or that waits for
// COPY data: only the oldest request was being worked on, and was broken off.
func (s *Session) fatesAtLastWord() []bool {
	s.recount()
	unknown := make([]bool, s.ring.len())
	if !s.ring.empty() {
		q := s.ring.at(0)
		unknown[0] = q.explicit && (s.partial || q.effect[s.now]&(keeps|durable) != 0)
	}
	return unknown
}

// after is where the transaction most likely stands behind a request that has
// ended well; it decides what a client is told of a request that has not.
func (s *Session) after(q *request, st state) state {
	switch {
	case q.t == 'S':
		return closed(st)
	case q.several():
		return closed(s.afterScript(q, st))
	case q.kind == kindUnknown:
		return st
	}
	next, sure := ofKind[q.kind][st].out().only()
	if !sure {
		return st // PostgreSQL refuses it there
	}
	if q.t == 'Q' || q.t == 'F' {
		return closed(next)
	}
	if q.t != 'E' {
		return st
	}
	return next
}

// afterScript is after for what is left of a Query of several statements.
func (s *Session) afterScript(q *request, st state) state {
	for _, k := range s.ring.scriptOf(q) {
		if next, sure := ofKind[k][st].out().only(); sure {
			st = next
		}
	}
	return st
}

// running is the kind of the statement that a request is at.
func (s *Session) running(q *request) kind {
	if script := s.ring.scriptOf(q); len(script) > 0 {
		return script[0]
	}
	return q.kind
}

// closed is what a Sync or the end of a Query makes of a state.
func closed(st state) state {
	if st == implicit {
		return idle
	}
	return st
}
