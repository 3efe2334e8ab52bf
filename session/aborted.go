package session

import "portero/wire"

// A server that is told to shut down breaks off what it is at, says so in a FATAL
// error (57P01, ProcessInterrupts in PostgreSQL's postgres.c) and ends. It does not do
// that between a commit and its CommandComplete; and where it gives up waiting for a
// synchronous standby, behind a commit that is durable on its own disk, it says so in a
// WARNING and nothing after it (SyncRepWaitForLSN). So where the error is all that there
// is to an answer, the transaction has left no trace, and can be run again as if it had
// never been sent. What it did outside of its transaction (a sequence, a file, another
// database by dblink) is done twice, as after any retry.
//
// 57P02 is not such a word, nor is the end without one: these come out of the
// middle of a commit too.

// Aborted reports whether all that the client has asked can be asked again, of
// another server, without any difference: it is a transaction of its own, or the
// beginning of one, that has been aborted, and nothing of its answer has come. answer
// is all that there is of it, before FromServer has seen any. It returns the server's
// last word then, else nil.
func (s *Session) Aborted(answer []byte) *wire.Error {
	answer, ok := s.behindAhead(answer)
	if !ok {
		return nil
	}
	body, done, ok := lastWord(answer)
	if !ok || !s.isUntouched() || !s.isOneUnit(done) {
		return nil
	}
	if e := wire.ParseError(body); e.Code == wire.AdminShutdown && e.Severity == "FATAL" {
		return e
	}
	return nil
}

// lastWord is the body of the FATAL error that an answer ends with, if nothing
// stands before it but descriptions, rows and statements that are done, and how many
// of these there are.
func lastWord(answer []byte) (body []byte, done int, ok bool) {
	for {
		f, ok, err := wire.Next(answer)
		if err != nil || !ok || !f.Whole() {
			return nil, 0, false
		}
		answer = answer[wire.HeaderLen+f.Size:]
		switch f.Type {
		case '1', '2', '3', 't', 'T', 'n', 'D':
		case 'C':
			done++
		case 'E':
			return f.Body, done, wire.IsFatal(f.Body) && len(answer) == 0
		default:
			return nil, 0, false
		}
	}
}

// isUntouched reports whether the client was in no transaction before what it has
// asked, had nothing at its server that it would miss on another, and has heard
// nothing since, but that it may send the data of a COPY.
func (s *Session) isUntouched() bool {
	switch {
	case s.status != 'I', s.now != idle, s.Begun(), s.memory == nil, s.Bound():
		return false
	case s.skipping, s.stray, s.haunted, s.owes, s.repeating, s.again, s.probing:
		return false
	}
	return !s.heeds.any() && len(s.heeds.sent) == 0 && len(s.heeds.done) == 0
}

// isOneUnit reports whether what is unanswered is one Query, one FunctionCall, or
// one group of the extended protocol, complete or not; and whether neither the
// statements that are done nor the one behind them commit by themselves. No other has
// been begun.
func (s *Session) isOneUnit(done int) bool {
	left, ended := done, false
	for i := range s.ring.len() {
		q := s.ring.at(i)
		if q.is(ahead) {
			continue
		}
		if !q.is(skipped) && (ended || q.t == 'c') {
			return false
		}
		switch q.t {
		case 'Q', 'F', 'E':
			if left >= 0 && q.explicit || left > 0 && q.t != 'E' { // a Query commits before it says that it is done
				return false
			}
			left--
		}
		ended = ended || !q.is(skipped) && closes(q.t)
	}
	return !s.ring.empty() && (left < 0 || done == 0)
}

// IsBrief reports whether what the client is about to ask, which begins with the frame
// that was seen last, is one statement that opens no transaction block and, by its first
// word, only reads: then nobody minds if it is aborted and asked again. One that writes
// may be aborted where it waits for a synchronous standby, and then its fate is unknown.
// asked begins with that frame.
func (s *Session) IsBrief(asked []byte) bool {
	f, ok, err := wire.Next(asked)
	if err != nil || !ok || s.ring.empty() {
		return false
	}
	switch f.Type {
	case 'Q':
		sql, whole := statement(f.Body, f.Whole())
		return whole && !s.several(sql) && onlyReads(sql)
	case 'P':
		return onlyReads(s.meant.query())
	case 'B':
		_, name, _ := bound(f)
		st, _ := s.recall(name)
		return onlyReads(st.query())
	}
	return false
}

// onlyReads reports whether a statement reads by its first word. What a function does
// inside is not seen.
func onlyReads(sql []byte) bool {
	word, _ := firstWord(skipEmpty(sql))
	return is(word, "SELECT") || is(word, "TABLE") || is(word, "VALUES") || is(word, "SHOW")
}

// closes reports whether a ReadyForQuery answers a message of a type.
func closes(t byte) bool { return t == 'Q' || t == 'F' || t == 'S' }

// Begun reports whether the server has said something since the client has asked
// what is under way, that another one would say again: that it takes the data of a COPY
// is kept from a client that knows it.
func (s *Session) Begun() bool { return s.begun && !s.invited }

// TakeBack forgets what has been asked, and what that has changed: whoever has kept
// the client's frames shows them again. The server is gone, and the next one has
// not been told to Serve.
func (s *Session) TakeBack() {
	s.undo(s.changes.len(), false)
	s.ring.clear()
	s.changes.clear()
	s.asked, s.pins, s.drawn, s.rereads, s.repeats, s.misshapen = asked{}, 0, false, false, false, Statement{}
	s.bound, s.named, s.portals, s.boundMade, s.here = kindOther, kindOther, nil, nil, 0
	s.instead, s.commit, s.writes = s.instead[:0], Commit{}, false
	knows := s.recopies || s.invited
	s.forget()
	s.recopies = knows
}
