package proxy_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// How much is compared: conversations, of several clients each.
var (
	firstSeed = flag.Uint64("seed", 1, "compare conversations from this seed on with direct ones")
	moreSeeds = flag.Uint64("seeds", 30, "... of so many seeds")
)

const (
	differentialClients = 3
	differentialSteps   = 25

	differentialPatience = 15 * time.Second // with one step
)

// Clients that share servers are answered, message for message, what each is
// answered on a connection of its own.
func TestConversationsDifferInNothingFromDirectOnes(t *testing.T) {
	sideBySide(t)
	for servers := 1; servers <= 3; servers++ {
		t.Run(fmt.Sprint(servers, " servers"), func(t *testing.T) {
			w := start(t, size(servers), loops(1+servers/3))
			for seed := *firstSeed; seed < *firstSeed+*moreSeeds; seed++ {
				if seed%3 == uint64(servers)%3 {
					w.compare(fmt.Sprint("seed ", seed), conversations(seed, differentialClients, differentialSteps))
				}
			}
		})
	}
}

// compare fails the test where conversations differ.
func (w *world) compare(what string, talks []dialogue) {
	w.t.Helper()
	want, got := compareTalks(w.t, w.address(), talks)
	for i := range talks {
		if d := difference(want[i], got[i]); d != "" {
			w.t.Fatalf("%s, client %d: %s\n%s\n\nAgain: go test -run %s ./proxy -seeds 1 -seed N, where it is a seed.\nTo keep in testdata/seeds/real, with a line that says what it found:\n\n%s",
				what, i, d, transcripts(talks[i], want[i], got[i]), w.t.Name(), conversationText(talks))
		}
	}
	w.heard(what, talks, want, got)
}

// compareTalks holds all conversations directly, and then all through Portero at once.
func compareTalks(t testing.TB, portero string, talks []dialogue) (want, got []*said) {
	t.Helper()
	for _, way := range []string{postgres(t).Address(), portero} {
		stage(t, talks)
		direct := way != portero
		results := make([]*said, len(talks))
		var all sync.WaitGroup
		for i, talk := range talks {
			all.Go(func() {
				var model *said
				if !direct {
					model = want[i]
				}
				results[i] = talk.hold(way, model)
			})
		}
		all.Wait()
		if direct {
			want = results
		} else {
			got = results
		}
	}
	return want, got
}

// stage makes what conversations need, as it is at their beginning.
func stage(t testing.TB, talks []dialogue) {
	t.Helper()
	ctx := bounded(t)
	conn := must(pgx.Connect(ctx, postgres(t).SuperuserDSN("app")+"&default_query_exec_mode=simple_protocol"))(t)
	defer conn.Close(ctx)
	var sql strings.Builder
	sql.WriteString(`do $$ begin create role diff_low; exception when duplicate_object then end $$; grant diff_low to app;`)
	for _, talk := range talks {
		fmt.Fprintf(&sql, `set client_min_messages = error; drop schema if exists %[1]s cascade; drop schema if exists %[1]s_b cascade;
			create schema %[1]s authorization app; create schema %[1]s_b authorization app;
			create table %[1]s.t (a int, b text); insert into %[1]s.t values (1, '%[1]s'), (2, 'two'), (3, null);
			create table %[1]s_b.t (b text, c date); insert into %[1]s_b.t values ('%[1]s_b', '2020-02-01');
			create table %[1]s.u (a int primary key); create table %[1]s_b.u (a int primary key);
			alter table %[1]s.t owner to app; alter table %[1]s_b.t owner to app; alter table %[1]s.u owner to app; alter table %[1]s_b.u owner to app;`, talk.schema)
	}
	if _, err := conn.Exec(ctx, sql.String()); err != nil {
		t.Fatal(err)
	}
}

// cancelled is the error of a statement that was: Portero's own has no line of PostgreSQL's source.
const cancelled = "E cancelled"

// What is not the same yet, see found_test.go: a statement's name in errors ...
var nameOnServer = regexp.MustCompile(`prepared statement "[^\x00]*"( requires)?`)

// ... and which error a Bind has that does not fit.
func sameLine(want, got string) bool {
	return want == got || strings.Contains(want, "bind message supplies") && got[0] == 'E' ||
		strings.Contains(want, "ears=") && strings.Contains(got, "ears=0") // what a client listens to is no server's
}

// answerable counts the ReadyForQuery that a step will be answered, where that
// does not depend on the server.
func answerable(step messages) (groups int, sure bool) {
	sure = true
	for i, m := range step {
		switch m := m.(type) {
		case *pgproto3.Query:
			groups++
			sure = sure && !strings.Contains(strings.ToLower(m.String), "stdin")
		case *pgproto3.Parse:
			sure = sure && !strings.Contains(m.Query, "stdin")
		case *pgproto3.Sync, *pgproto3.FunctionCall:
			groups++
		case *pgproto3.CopyData, *pgproto3.CopyDone, *pgproto3.CopyFail:
			sure = false
		}
		if i == len(step)-1 {
			switch m.(type) {
			case *pgproto3.Sync, *pgproto3.Query, *pgproto3.FunctionCall:
			default:
				sure = false
			}
		}
	}
	// A Query or a call behind messages that have failed is skipped, and so is COPY's own Sync.
	for i, m := range step[:len(step)-1] {
		switch m.(type) {
		case *pgproto3.Sync, *pgproto3.Query, *pgproto3.FunctionCall:
		default:
			switch step[i+1].(type) {
			case *pgproto3.Query, *pgproto3.FunctionCall:
				sure = false
			}
		}
	}
	return groups, sure
}

// line is a message on paper, without what is another one each time.
func line(kind byte, body []byte) string {
	if kind == 'T' && len(body) >= 2 {
		rest := body[2:]
		for range binary.BigEndian.Uint16(body) {
			if end := strings.IndexByte(string(rest), 0); end >= 0 && len(rest) >= end+5 {
				copy(rest[end+1:end+5], "oid.") // of the table
				rest = rest[min(len(rest), end+19):]
			}
		}
	}
	if kind == 'E' && bytes.Contains(body, []byte("C57014\x00")) {
		return cancelled
	}
	if kind == 'E' {
		body = nameOnServer.ReplaceAll(body, []byte(`prepared statement "..." `))
		if failed := bytes.Index(body, []byte("C25P02")); failed >= 0 {
			body = body[:failed+6] // a Parse of Portero's own fails elsewhere
		}
	}
	if len(body) > 600 {
		return fmt.Sprintf("%c %d bytes %q...", kind, len(body), body[:200])
	}
	return fmt.Sprintf("%c %q", kind, body)
}

// difference says what differs, or nothing.
func difference(want, got *said) string {
	for i, w := range want.lines {
		if i >= len(got.lines) {
			return fmt.Sprintf("ends before message %d, %s: %v", i+1, w, got.err)
		}
		if w[0] == 't' && got.lines[i][0] == 'E' {
			return "" // not the same yet either: a Describe where the text cannot be parsed any more
		}
		if strings.Contains(w, "C0A000") && got.lines[i] != w {
			return "" // as the README says: on a server without the old plan the result is the new one
		}
		if !sameLine(w, got.lines[i]) {
			return fmt.Sprintf("message %d is\n     %s\nnot  %s", i+1, got.lines[i], w)
		}
	}
	switch {
	case len(got.lines) > len(want.lines):
		return fmt.Sprintf("message %d is too many: %s", len(want.lines)+1, got.lines[len(want.lines)])
	case want.err == nil && got.err != nil:
		return fmt.Sprintf("closed: %v", got.err)
	case want.err != nil && got.err == nil:
		return fmt.Sprintf("not closed: %v", want.err)
	case want.err != nil && errors.Is(want.err, io.EOF) != errors.Is(got.err, io.EOF):
		return fmt.Sprintf("ends with %v, not %v", got.err, want.err)
	}
	return ""
}

// conversations are those of a seed.
func conversations(seed uint64, clients, steps int) []dialogue {
	talks := make([]dialogue, clients)
	for i := range talks {
		talks[i] = dialogue{schema: fmt.Sprintf("diff_%d", i), user: "app"}
		w := talker{rand.New(rand.NewPCG(seed, uint64(i))), talks[i].schema}
		var last step
		for range steps {
			talks[i].steps = append(talks[i].steps, w.steps(last)...)
			last = talks[i].steps[len(talks[i].steps)-1]
		}
		talks[i].steps = append(talks[i].steps, plainly(&pgproto3.CopyFail{Message: "the end"}, syncs()), plainly(q("rollback")), plainly(q(probe)))
	}
	return talks
}

func plainly(list ...pgproto3.FrontendMessage) step {
	return step{deed: deedNone, messages: list}
}
