package session

import (
	"bytes"
	"testing"

	"portero/wire"
)

// FuzzSession feeds a session with frames of any kind from both sides.
func FuzzSession(f *testing.F) {
	f.Add([]byte("Q\x00\x00\x00\x0cselect\x00"), []byte("C\x00\x00\x00\x0dSELECT 1\x00Z\x00\x00\x00\x05I"), uint16(0))
	f.Add([]byte("P\x00\x00\x00\x0d\x00COMMIT\x00\x00B\x00\x00\x00\x06\x00\x00E\x00\x00\x00\x05\x00S\x00\x00\x00\x04"), []byte("1\x00\x00\x00\x042\x00\x00\x00\x04"), uint16(0xaaaa))
	f.Add([]byte("X\x00\x00\x00\x04p\x00\x00\x00\x04H\x00\x00\x00\x04"), []byte("E\x00\x00\x00\x12VFATAL\x00C57P01\x00\x00"), uint16(5))
	f.Add([]byte("Q\x00\x00\x00\x0dlisten a\x00Q\x00\x00\x00\x0funlisten a\x00"), []byte("C\x00\x00\x00\x0bLISTEN\x00Z\x00\x00\x00\x05IA\x00\x00\x00\x0a\x00\x00\x00\x01a\x00\x00"), uint16(1))
	f.Fuzz(func(t *testing.T, client, server []byte, order uint16) {
		var s Session
		s.Reset(Rest{})
		s.SetPinning(Pinning(order>>4) % 3)
		s.ByEar(true)
		s.Heard(true)
		linked := false
		for len(client) > 0 || len(server) > 0 {
			fromClient := order&1 == 0 && len(client) > 0 || len(server) == 0
			order = order>>1 | order<<15
			side := &server
			if fromClient {
				side = &client
			}
			frame, ok, err := wire.Next(*side)
			if !ok || err != nil {
				*side = nil
				continue
			}
			*side = (*side)[wire.HeaderLen+len(frame.Body):]
			linked = fuzzStep(t, &s, frame, fromClient, linked)
		}
		s.Lose(nil)
		checkReply(t, &s)
		rollBack(t, &s)
	})
}

// fuzzStep does with one frame what the relay does and returns whether the
// client holds a server then.
func fuzzStep(t *testing.T, s *Session, f wire.Frame, fromClient, linked bool) bool {
	if fromClient {
		if s.FromClient(f, linked) == Forward {
			if !linked {
				linked = true
				s.Serve(nil, fuzzMemory)
			}
			checkEdit(t, s, f)
		}
	} else if linked {
		switch s.FromServer(f) {
		case Violate, Dying:
			s.Lose(s.Fault)
			linked = false
		case Settle:
			if s.ring.len() > 0 || s.Status() != 'I' {
				t.Fatal("what is to be settled is not over")
			}
			s.Settled()
		case Forward, Discard, Answer, Hear:
		default:
			t.Fatal("a server's frame was not forwarded, but nothing was wrong")
		}
	}
	checkReply(t, s)
	if linked && s.Lending() != Kept {
		linked = false
	}
	return linked
}

var fuzzMemory = &Memory{}

// checkEdit checks that what goes to the server is whole frames again.
func checkEdit(t *testing.T, s *Session, f wire.Frame) {
	t.Helper()
	edit, replaced := s.Send(f)
	raw := append(header(f.Type, f.Size), f.Body...)
	size := wire.HeaderLen + f.Size
	if replaced > size {
		t.Fatalf("%d bytes of %d are replaced", replaced, size)
	}
	for b := append(bytes.Clone(edit), raw[min(replaced, len(raw)):]...); len(b) > 0; {
		one, ok, err := wire.Next(b)
		if !ok || err != nil || f.Whole() && !one.Whole() {
			t.Fatalf("%q is sent as %q and %q", raw, edit, raw[min(replaced, len(raw)):])
		}
		b = b[wire.HeaderLen+len(one.Body):]
	}
}

func checkReply(t *testing.T, s *Session) {
	t.Helper()
	for b := s.Reply; len(b) > 0; {
		f, ok, err := wire.Next(b)
		if !ok || err != nil || !f.Whole() {
			t.Fatalf("broken reply %q", s.Reply)
		}
		b = b[wire.HeaderLen+f.Size:]
	}
	s.Reply = s.Reply[:0]
}

// rollBack checks that a client without a server can come to rest.
func rollBack(t *testing.T, s *Session) {
	t.Helper()
	if s.FromClient(frameOf(t, syncMessage), false) != Answer {
		t.Fatalf("Sync after a loss: %s", stateText(s))
	}
	if s.status != 'I' {
		s.FromClient(frameOf(t, rollbackMessage), false)
	}
	if s.status != 'I' || s.busy || s.loss.active() {
		t.Fatalf("after ROLLBACK: %s", stateText(s))
	}
}

// FuzzStatements cuts any text into statements: it must come to an end, and lose
// nothing but blanks and semicolons.
func FuzzStatements(f *testing.F) {
	for _, c := range classified {
		f.Add([]byte(c.sql), true)
	}
	for _, c := range splits {
		f.Add([]byte(c), false)
	}
	for _, c := range []string{
		"create table a as execute b;", "create table a (b int);", "explain (costs off) create table a as select 1;", "select set_config('a.b', 'x'; true)",
		"deallocate prepare a;", "set time zone default;", `execute "a";`, "unlisten *;",
	} {
		f.Add([]byte(c), true)
	}
	f.Fuzz(func(t *testing.T, sql []byte, conforming bool) {
		classifyBeginning(sql)
		setBy(sql)
		resetBy(sql)
		referenceIn(sql)
		invents(sql)
		heedOf(sql)
		for rest := sql; len(rest) > 0; {
			if k, _ := classify(rest); k >= numKinds {
				t.Fatalf("%q is of kind %d", rest, k)
			}
			next, several := afterFirst(rest, conforming)
			if several && (isOne(rest) || len(next) >= len(rest)) {
				t.Fatalf("%q: %q", rest, next)
			}
			rest = next
		}
	})
}
