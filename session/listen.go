package session

import (
	"bytes"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// Where clients share servers, what a client listens to is not left on a server:
// the pool's ear hears it for the client. LISTEN still goes to the server as it
// is, so that transactions, savepoints and errors are PostgreSQL's own, and behind
// a transaction that may have listened to something the server is asked what that
// is. From then on the ear has it, and so the server knows nothing of what the
// client had listened to before: an UNLISTEN is understood by its text, once the
// server has said that it is done and that its transaction is committed.

// listening is what a session knows of notifications.
type listening struct {
	byEar   bool // those for the client come by an ear
	heard   bool // somebody listens by an ear
	haunted bool // the server listens, and nobody has been seen to say LISTEN
	heeds   heeding
}

// heeding is what the open transaction, and those that have not been settled, have
// to do with notifications.
type heeding struct {
	asked     bool     // a LISTEN was sent: the server is to be asked what has come of it
	committed bool     // ... and it may be in force there
	notified  bool     // a notification may have been sent
	sent      []string // channels of the UNLISTENs that have been sent and not completed
	done      []string // ... that have completed, and whose transaction is open
	gone      []string // ... that are committed
	alone     bool     // the last of them was a transaction of its own
}

func (h *heeding) any() bool { return h.asked || h.notified || len(h.gone) > 0 }

// AllChannels is what UNLISTEN * ends. It is no channel, as none has an empty name.
const AllChannels = ""

// What a statement has to do with notifications, as a Statement keeps it.
const (
	heedListen   = "l"
	heedNotify   = "n"
	heedUnlisten = "u" // and the channel behind it, or AllChannels
)

// ByEar tells the session that notifications for the client come by an ear, and
// not from the servers that it is lent.
func (s *Session) ByEar(on bool) { s.byEar = on }

// Heard tells the session whether anybody listens by an ear. While nobody does,
// nobody has to look for what sends notifications.
func (s *Session) Heard(on bool) { s.heard = on }

// Listens reports whether a LISTEN was sent that has not been settled.
func (s *Session) Listens() bool { return s.heeds.asked }

// Notifies reports whether a statement was sent that may notify, and its
// transaction has not been settled.
func (s *Session) Notifies() bool { return s.heeds.notified }

// Gone is the channels of the UNLISTENs that have been committed, oldest first.
func (s *Session) Gone() []string { return s.heeds.gone }

// Unlistens reports whether an UNLISTEN has ended, as a transaction of its own: the
// client is still to hear what was sent before. In a block it is not, as PostgreSQL
// looks at what is listened to when it gives a notification.
func (s *Session) Unlistens() bool { return len(s.heeds.gone) > 0 && s.heeds.alone }

// Settled is called when all of that has been taken care of.
func (s *Session) Settled() { s.heeds = heeding{} }

// WhatListens is the Query to ask a server. Each row of the answer is a channel, in
// hexadecimal digits, in the encoding of the database, whatever the client's is.
var WhatListens = wire.Append(nil, &pgproto3.Query{String: "SELECT pg_catalog.encode(pg_catalog.convert_to(channel, pg_catalog.getdatabaseencoding()), 'hex')" +
	" FROM pg_catalog.pg_listening_channels() channel"})

// heedOf is what a statement has to do with notifications by its first word.
func heedOf(sql []byte) string {
	word, rest := firstWord(skipEmpty(sql))
	switch {
	case is(word, "LISTEN"):
		return heedListen
	case is(word, "NOTIFY"):
		return heedNotify
	case is(word, "UNLISTEN"):
		if next, _ := firstWord(rest); is(next, "*") {
			return heedUnlisten + AllChannels
		}
		return heedUnlisten + identifier(rest)
	}
	return ""
}

var (
	pgNotify      = []byte("pg_notify")
	pgNotifyUpper = []byte("PG_NOTIFY")
)

// callsNotify reports whether a statement calls pg_notify. What a trigger or
// another function sends is not seen.
func callsNotify(sql []byte) bool {
	return bytes.Contains(sql, pgNotify) || bytes.Contains(sql, pgNotifyUpper)
}

// identifier is the name that rest begins with, as PostgreSQL reads it. One
// written as U&"..." is not understood.
func identifier(rest []byte) string {
	rest = skipBlank(rest)
	if len(rest) == 0 || rest[0] != '"' {
		word, _ := firstWord(rest)
		return string(cutName(lowerASCII(word)))
	}
	var name []byte
	for rest = rest[1:]; ; {
		end := bytes.IndexByte(rest, '"')
		if end < 0 {
			return string(cutName(append(name, rest...)))
		}
		name = append(name, rest[:end]...)
		if rest = rest[end+1:]; len(rest) == 0 || rest[0] != '"' {
			return string(cutName(name))
		}
		name, rest = append(name, '"'), rest[1:]
	}
}

// lowerASCII folds as PostgreSQL does in encodings of several bytes.
func lowerASCII(word []byte) []byte {
	lower := bytes.Clone(word)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return lower
}

// heed takes in that a statement is being sent.
func (s *Session) heed(what string) {
	if !s.byEar || what == "" {
		return
	}
	switch what[:1] {
	case heedListen:
		s.heeds.asked = true
	case heedNotify:
		s.heeds.notified = s.heeds.notified || s.heard
	case heedUnlisten:
		s.heeds.sent = append(s.heeds.sent, what[1:])
	}
}

// mustSettle reports whether a frame begins something new behind a LISTEN or
// UNLISTEN that is unanswered. It waits, so that what it finds is settled.
func (s *Session) mustSettle(t byte) bool {
	return (s.heeds.asked || len(s.heeds.sent) > 0) && s.beginsBehind(t)
}

func (s *Session) beginsBehind(t byte) bool {
	if s.ring.empty() || s.copyIn {
		return false
	}
	switch s.ring.last().t {
	case 'Q', 'F', 'S':
		return strings.IndexByte("QFPBDCES", t) >= 0
	}
	return false
}

// heardTag takes in the end of a statement.
func (s *Session) heardTag(tag []byte) {
	h := &s.heeds
	switch string(tag) {
	case "UNLISTEN\x00":
		if len(h.sent) > 0 {
			h.done, h.sent = append(h.done, h.sent[0]), h.sent[1:]
			h.alone = s.now == idle && !s.ring.at(0).several()
		}
	case "DISCARD ALL\x00":
		h.gone = append(h.gone, AllChannels)
	case "COMMIT\x00":
		h.gone, h.done = append(h.gone, h.done...), nil
		h.committed = h.asked
	case "ROLLBACK\x00":
		// Behind ROLLBACK TO a savepoint it is not known which of them are
		// rolled back; better a client hears too much than too little.
		h.done = nil
	}
}

// settles is the verdict on a ReadyForQuery. failed: an error has been told since
// the one before.
func (s *Session) settles(failed bool) Verdict {
	h := &s.heeds
	if s.status == 'I' {
		if failed {
			h.done = nil
		}
		h.gone, h.done = append(h.gone, h.done...), nil
	}
	if !s.ring.empty() {
		return Forward
	}
	h.sent = nil
	if s.status != 'I' || !h.any() {
		return Forward
	}
	h.committed = h.asked
	return Settle
}

// notification is a NotificationResponse of the client's own server. It counts as
// long as what that server listens to is the client's and not yet the ear's. At
// other times the server has been made to listen by a function, for a client that
// cannot be known any more: nobody else may have it.
func (s *Session) notification(f wire.Frame) Verdict {
	switch {
	case !s.byEar:
		return Forward
	case !f.Whole():
		return s.within(false)
	case s.heeds.asked:
		return Hear
	}
	s.haunted = true
	return Discard
}

// unsettled reports whether the client may listen to something that only its
// server knows.
func (s *Session) unsettled() bool {
	return s.heeds.asked && (s.heeds.committed || s.complete)
}
