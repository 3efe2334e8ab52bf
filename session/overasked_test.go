package session

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A client that prepares much and waits for nothing is made to wait, and the server
// is asked to answer: without a Sync it would have no reason to.
func TestAClientThatPreparesMuchWithoutWaitingIsHeldBack(t *testing.T) {
	var s Session
	var memory Memory
	s.Reset(Rest{})
	s.Serve(nil, &memory)
	sent := 0
	for ; !s.Overasked(); sent++ {
		if sent > 1000 {
			t.Fatal("it is never held back")
		}
		parseMuch(t, &s, sent)
	}
	if edit := parseMuch(t, &s, sent); len(edit) == 0 || edit[0] != 'H' {
		t.Errorf("the server is sent %q", edit)
	}
	for range sent + 1 {
		if v := s.FromServer(frameOf(t, &pgproto3.ParseComplete{})); v != Forward {
			t.Fatalf("verdict %d", v)
		}
	}
	if s.Overasked() || s.changes.size != 0 {
		t.Errorf("%d bytes wait though all is answered", s.changes.size)
	}
}

func parseMuch(t *testing.T, s *Session, number int) (edit []byte) {
	f := frameOf(t, &pgproto3.Parse{Query: fmt.Sprint("select ", number, strings.Repeat(" ", 10_000))})
	if v := s.FromClient(f, true); v != Forward {
		t.Fatalf("verdict %d", v)
	}
	edit, _ = s.Send(f)
	return edit
}
