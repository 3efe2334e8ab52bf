package session

import (
	"bytes"
	"strings"

	"portero/wire"
)

// query is a Query, of one statement or of several. Empty ones do not count, as
// in PostgreSQL.
func (s *Session) query(f wire.Frame) (q request, script []kind) {
	sql, whole := statement(f.Body, f.Whole())
	switch {
	case !whole:
		return s.unreadQuery(sql, s.unread.begin(f.Body, false)), nil
	case s.misleads(sql):
		return s.unreadQuery(sql, settingsIn(sql, 0, len(sql), false)), nil
	}
	sql = skipEmpty(sql)
	rest, several := s.afterFirst(sql)
	k := s.classified(sql[:len(sql)-len(rest)], !several)
	if !several {
		return execute('Q', k), nil
	}
	script = s.script(k, rest)
	q = request{t: 'Q', kind: k}
	q.run(script)
	return q, script
}

// unreadQuery is a Query that cannot be taken apart; h is what it may set.
func (s *Session) unreadQuery(sql []byte, h hints) request {
	s.touch(everything)
	s.asked.doubt = true // it may reset
	s.runs(sql, mentions(sql)|h)
	s.unreadRuns()
	return execute('Q', kindUnknown)
}

// misleads reports whether it cannot be told where the statements of a text end:
// in some encodings a byte of a letter looks like a backslash, which PostgreSQL
// does not see, as it reads the text in an encoding of its own.
func (s *Session) misleads(sql []byte) bool {
	if bytes.IndexByte(sql, '\\') < 0 || isOne(sql) {
		return false
	}
	encoding, set := s.settings.Get("client_encoding")
	encoding = strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToUpper(encoding))
	for _, plain := range plainEncodings {
		if strings.HasPrefix(encoding, plain) {
			return false
		}
	}
	return set
}

// plainEncodings are the beginnings of the names of encodings in which a byte below
// 0x80 is always a letter by itself. The others are SJIS, BIG5, GBK, UHC, JOHAB and
// their relatives (PostgreSQL documentation, "Supported Character Sets").
var plainEncodings = [...]string{"UTF8", "UNICODE", "LATIN", "ISO8859", "SQLASCII", "EUC", "KOI8", "WIN12", "WINDOWS12", "WIN866", "WIN874"}

func (s *Session) afterFirst(sql []byte) (rest []byte, several bool) {
	if isOne(sql) {
		return nil, false
	}
	v, set := s.settings.Get("standard_conforming_strings")
	return afterFirst(sql, !set || v == "on")
}

// script is the kinds of a Query's statements, of which the first is known and is
// followed by rest. PostgreSQL runs them in one implicit transaction, in which
// nothing can commit in steps.
func (s *Session) script(first kind, rest []byte) (kinds []kind) {
	for k := first; ; {
		if k == kindSteps {
			k = kindOther
		}
		kinds = append(kinds, k)
		if len(rest) == 0 {
			return kinds
		}
		next, _ := s.afterFirst(rest)
		k = s.classified(rest[:len(rest)-len(next)], false)
		rest = next
	}
}

// classified is the kind of a statement that is run now, of which no more than
// itself is looked at: a Query may have thousands. alone: this one has no other.
func (s *Session) classified(sql []byte, alone bool) kind {
	k, h := classify(sql)
	switch {
	case k == kindSet:
		s.touched(sql)
		s.rereads = s.rereads || rereads(sql)
	case k == kindPrepared:
		if s.spread && s.now != failed {
			s.barred = preparesSpread
		}
	case k == kindHeeds:
		s.heed(heedOf(sql))
	case k == kindOther && s.heard && callsNotify(sql):
		s.heed(heedNotify)
	}
	switch {
	case k != kindPrepare:
	case alone && referenceIn(sql).verb == prepares:
		h &^= hints(PinPrepared)
	case h&sets != 0:
		s.touch(tooMany) // whenever it is executed, by a name that nobody knows here
	case s.heard && callsNotify(sql):
		s.heed(heedNotify)
	}
	s.executesByName(sql)
	s.runs(sql, h)
	return k
}

// run says what a Query of several statements does from here on.
func (q *request) run(kinds []kind) {
	q.effect, q.explicit = queryOf(kinds...), false
	for _, k := range kinds {
		q.explicit = q.explicit || k.explicit()
	}
}
