package session

import (
	"bytes"
	"math/bits"
)

// hints are what the text of a statement shows of what it may do to its session:
// reasons to pin it in the low bits, and what is below. Most cost a question at
// most where they are wrong.
type hints uint32

const (
	sets     hints = 1 << (NumPins + iota) // calls set_config
	frees                                  // may take away what pins the client
	resets                                 // DISCARD ALL or SEQUENCES
	fleeting                               // ON COMMIT DROP
	unseen                                 // runs what has not been read, and may set something
	unlisted                               // ... something that the server cannot be asked for
)

func (h hints) pins() Pins { return Pins(h) & AllPins }

// words are what mentions looks for. Each is found by four letters of it that are
// rare in other words, and then looked at by a function of its own.
var words = [...]struct {
	word   string // in lower case
	window string // four letters of it
	at     int    // where these stand
	shows  hints  // what it shows: where that is known already it is not looked at
	show   func(sql []byte, from, to int) hints
}{
	{"set_config", "nfig", 6, sets, func([]byte, int, int) hints { return sets }},
	{"temp", "temp", 0, hints(PinTemp), showsTemp},
	{"hold", "hold", 0, hints(PinCursor), showsHold},
	{"advisory_", "advi", 0, hints(PinLock) | frees, showsLock},
	{"currval", "rrva", 2, hints(PinSequence), showsSequence},
	{"lastval", "astv", 1, hints(PinSequence), showsSequence},
	{"prepare", "prep", 0, hints(PinPrepared), showsPrepare},
	{"load", "load", 0, hints(PinLibrary), showsLoad},
	{"dblink_connect", "link", 2, hints(PinFunction), func([]byte, int, int) hints { return hints(PinFunction) }},
	{"replication_slot", "n_sl", 10, hints(PinSlot) | frees, showsSlot},
	{"backup", "back", 0, hints(PinFunction), showsBackup},
}

// suspects says of two letters in which windows they stand, a bit for each of
// words.
var suspects = func() (all [1 << 10]uint16) {
	for n, w := range words {
		for i := range 3 {
			all[pair(w.window[i], w.window[i+1])] |= 1 << n
		}
	}
	return all
}()

// pair makes an index of suspects from two bytes, without regard to case.
func pair(a, b byte) int { return int(a&0x1f)<<5 | int(b&0x1f) }

// near is as much of what follows a word as is looked at: a statement may be
// full of such words.
func near(sql []byte) []byte { return sql[:min(len(sql), 256)] }

// mentions is what a statement shows. It is on the way of each statement, and
// looks at two of every three bytes: any four in a row have such a pair in them.
func mentions(sql []byte) (found hints) {
	i := 2
	for ; i+9 < len(sql); i += 12 {
		if w := (*[11]byte)(sql[i-1:]); suspects[pair(w[0], w[1])]|suspects[pair(w[3], w[4])]|suspects[pair(w[6], w[7])]|suspects[pair(w[9], w[10])] != 0 {
			found |= mentionsIn(sql, i, i+12, found)
		}
	}
	return found | mentionsIn(sql, i, len(sql), found)
}

// mentionsIn is mentions for pairs that end at i, and at each third byte from there, up to end.
// before is what was found already.
func mentionsIn(sql []byte, i, end int, before hints) (found hints) {
	for ; i < end; i += 3 {
		if which := suspects[pair(sql[i-1], sql[i])]; which != 0 {
			found |= around(sql, i, which, before|found)
		}
	}
	return found
}

// around is what the words show whose window is around the pair that ends at i,
// beside what was found before.
func around(sql []byte, i int, which uint16, before hints) (found hints) {
	for ; which != 0; which &= which - 1 {
		w := &words[bits.TrailingZeros16(which)]
		if before&w.shows == w.shows {
			continue
		}
		for from := max(0, i-3-w.at); from < i-w.at; from++ {
			if to := from + len(w.word); to <= len(sql) && hasFold(sql[from+w.at:], w.window) && hasFold(sql[from:], w.word) {
				found |= w.show(sql, from, to)
			}
		}
	}
	return found
}

// hasFold reports whether b begins with a word, which is in lower case.
func hasFold(b []byte, word string) bool {
	if len(b) < len(word) {
		return false
	}
	for i := range len(word) {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// isWord reports whether sql[from:to] is no part of a longer word.
func isWord(sql []byte, from, to int) bool {
	return (from == 0 || !ofWord(sql[from-1]) || sql[from-1] == '$') && (to == len(sql) || !ofWord(sql[to]))
}

// showsTemp: TEMP and TEMPORARY behind CREATE or INTO, or the schema pg_temp.
func showsTemp(sql []byte, from, to int) hints {
	if from >= 3 && hasFold(sql[from-3:], "pg_") {
		if from == 3 || !ofWord(sql[from-4]) {
			return hints(PinTemp)
		}
		return 0
	}
	if hasFold(sql[to:], "orary") {
		to += len("orary")
	}
	if !isWord(sql, from, to) {
		return 0
	}
	h := behind(sql, from, hints(PinTemp), "CREATE", "REPLACE", "LOCAL", "GLOBAL", "INTO")
	if h != 0 && dropsOnCommit(sql[to:]) {
		h |= fleeting
	}
	return h
}

func dropsOnCommit(sql []byte) bool {
	for len(sql) > 0 {
		if _, ok := cutWords(sql, "ON", "COMMIT", "DROP"); ok {
			return true
		}
		_, rest := firstWord(sql)
		if len(rest) == len(sql) {
			return false
		}
		sql = rest
	}
	return false
}

func showsHold(sql []byte, from, to int) hints {
	if !isWord(sql, from, to) {
		return 0
	}
	return behind(sql, from, hints(PinCursor), "WITH")
}

// showsLock: all but the functions whose locks are the transaction's.
func showsLock(sql []byte, _, to int) hints {
	switch {
	case hasFold(sql[to:], "lock"):
		return hints(PinLock)
	case hasFold(sql[to:], "unlock"):
		return frees
	}
	return 0
}

func showsSequence(sql []byte, from, to int) hints {
	if !isWord(sql, from, to) {
		return 0
	}
	if next, _ := firstWord(near(sql[to:])); len(next) > 0 && !is(next, "(") && !is(next, `"`) {
		return 0
	}
	return hints(PinSequence)
}

// showsPrepare: PREPARE with a name behind it, and then AS or a parenthesis; or
// what may become that, in a text that is put together.
func showsPrepare(sql []byte, from, to int) hints {
	if !isWord(sql, from, to) {
		return 0
	}
	name, rest := firstWord(near(sql[to:]))
	next, _ := firstWord(rest)
	switch {
	case is(name, "TRANSACTION"):
	case len(next) == 0, is(name, `"`), is(name, "%"), is(name, "'"), is(next, "AS"), is(next, "("):
		return hints(PinPrepared)
	}
	return 0
}

// showsLoad: LOAD as a command, or anywhere in a DO.
func showsLoad(sql []byte, from, to int) hints {
	statement := skipEmpty(sql)
	command, _ := firstWord(statement)
	if isWord(sql, from, to) && (len(sql)-len(statement) == from || is(command, "DO")) {
		return hints(PinLibrary)
	}
	return 0
}

// showsSlot: pg_create_..., pg_copy_... and pg_drop_..._replication_slot.
func showsSlot(sql []byte, from, to int) hints {
	if from > 0 && ofWord(sql[from-1]) && (to == len(sql) || !ofWord(sql[to])) {
		return hints(PinSlot) | frees
	}
	return 0
}

func showsBackup(sql []byte, from, to int) hints {
	if from >= 9 && hasFold(sql[from-9:], "pg_start_") || from >= 3 && hasFold(sql[from-3:], "pg_") && hasFold(sql[to:], "_start") {
		return hints(PinFunction)
	}
	return 0
}

// behind is h if one of some words stands before from, or a comment, whose
// beginning nobody looks for.
func behind(sql []byte, from int, h hints, words ...string) hints {
	end := from
	for end > 0 && isBlank(sql[end-1]) {
		end--
	}
	start := end
	for start > 0 && ofWord(sql[start-1]) && sql[start-1] != '$' {
		start--
	}
	for _, w := range words {
		if is(sql[start:end], w) {
			return h
		}
	}
	if bytes.HasSuffix(sql[:end], []byte("*/")) {
		return h
	}
	if !bytes.ContainsAny(sql[end:from], "\r\n") {
		return 0
	}
	if line := sql[bytes.LastIndexAny(sql[:end], "\r\n")+1 : end]; bytes.Contains(line, []byte("--")) {
		return h
	}
	return 0
}

// withoutStrings is a copy of a statement with blanks in place of its strings and
// comments.
func withoutStrings(sql []byte, conforming bool) []byte {
	bare := bytes.Clone(sql)
	s := splitter{sql: sql, conforming: conforming}
	for s.at < len(sql) {
		from := s.at
		if s.step() {
			s.at++
			continue
		}
		token := bare[from:s.at]
		switch c := sql[from]; {
		case isBlank(c), c == '-', c == '/', c == '\'', c == '$', ofWord(c) && bytes.IndexByte(token, '\'') >= 0: // E'...'
			for i := range token {
				token[i] = ' '
			}
		}
	}
	return bare
}
