package session

import (
	"slices"
	"strings"
	"testing"

	"portero/wire"
)

// answerOf is the frames that a server sends, one behind the other.
func answerOf(t testing.TB, messages string) (b []byte) {
	t.Helper()
	for _, k := range tokens(t, messages) {
		b = serverFrame(t, k).Append(b)
	}
	return b
}

// having is a session whose client has sent messages to a server.
func having(t testing.TB, from func(*Session), messages string) *Session {
	t.Helper()
	s := &Session{}
	s.Reset(Rest{})
	s.ByEar(true)
	s.Heard(true)
	if from != nil {
		from(s)
	}
	s.Serve(serverDefaults, &Memory{})
	linked := false
	for _, k := range tokens(t, messages) {
		f := clientFrame(t, k)
		if v := s.FromClient(f, linked); v != Forward {
			t.Fatalf("%s: Verdict %d", describeToken(k), v)
		}
		s.Send(f)
		linked = true
	}
	return s
}

const dying = " ErrorResponse(FATAL 57P01)"

func TestWhatAServerHasAbortedCanBeAskedAgain(t *testing.T) {
	group := func(sql string) string { return `Parse("` + sql + `") Bind Execute Sync` }
	in := func(status string) func(*Session) {
		return func(s *Session) {
			s.FromClient(clientFrame(t, token{"Query", []string{"select 1"}}), true)
			s.FromServer(serverFrame(t, token{"ReadyForQuery", []string{status}}))
		}
	}
	given := func(s *Session) { s.base = Settings{}.With("timezone", "CET") }
	for _, c := range []struct {
		name, asked, answer string
		from                func(*Session)
		want                bool
	}{
		{"a statement", `Query("insert into t values (1)")`, dying, nil, true},
		{"its description", `Query("select 1")`, "RowDescription(a)" + dying, nil, true},
		{"rows that nobody has seen", `Query("select 1")`, "RowDescription(a) DataRow(1)" + dying, nil, true},
		{"several statements", `Query("insert into t values (1); select 1")`, dying, nil, true},
		{"the first of several", `Query("insert into t values (1); select 1")`, `CommandComplete("INSERT 0 1")` + dying, nil, false},
		{"a BEGIN", `Query(begin)`, dying, nil, true},
		{"a SET", `Query("set work_mem = 1")`, dying, nil, true},
		{"a RESET, with ours behind it", `Query("reset timezone")`, dying, given, true},
		{"a RESET that is done", `Query("reset timezone")`, `CommandComplete("RESET")` + dying, given, false},
		{"a PREPARE", `Query("prepare a as select 1")`, dying, nil, true},
		{"a COMMIT", `Query(commit)`, dying, nil, false},
		{"a block", `Query("begin; select 1; commit")`, dying, nil, false},
		{"a CALL", `Query("call p()")`, dying, nil, false},
		{"a VACUUM", `Query(vacuum)`, dying, nil, false},
		{"a LISTEN", `Query("listen a")`, dying, nil, false},
		{"an UNLISTEN", `Query("unlisten a")`, dying, nil, false},
		{"a NOTIFY", `Query("notify a")`, dying, nil, false},
		{"a function call", `FunctionCall(1299)`, dying, nil, true},
		{"two statements", `Query("select 1") Query("select 2")`, dying, nil, false},
		{"a group", group("select $1"), dying, nil, true},
		{"a group, parsed and bound", group("select $1"), "ParseComplete BindComplete" + dying, nil, true},
		{"a group, done", group("select 1"), `ParseComplete BindComplete CommandComplete("SELECT 1")` + dying, nil, false},
		{"a group without its Sync", `Parse("select 1") Bind Execute`, dying, nil, true},
		{"a description", `Parse(s1, "select 1") Describe(S, s1) Sync`, "ParseComplete" + dying, nil, true},
		{"two groups", group("select 1") + " " + group("select 1"), dying, nil, false},
		{"a group that begins a block", `Parse("begin") Bind Execute Parse("select 1") Bind Execute Sync`,
			`ParseComplete BindComplete CommandComplete("BEGIN") ParseComplete` + dying, nil, true},
		{"a group of two, both done", `Parse("begin") Bind Execute Parse("select 1") Bind Execute Sync`,
			`CommandComplete("BEGIN") CommandComplete("SELECT 1")` + dying, nil, false},
		{"a group, before its COMMIT", `Parse("select 1") Bind Execute Parse("commit") Bind Execute Sync`, "ParseComplete" + dying, nil, true},
		{"a group, in its COMMIT", `Parse("select 1") Bind Execute Parse("commit") Bind Execute Sync`, `CommandComplete("SELECT 1")` + dying, nil, false},
		{"a group, behind its CALL", `Parse("call p()") Bind Execute Parse("select 1") Bind Execute Sync`, `CommandComplete("CALL")` + dying, nil, false},
		{"the end of COPY data", `Query("copy t from stdin") CopyDone`, dying, nil, false},
		{"in a block", `Query("select 1")`, dying, in("T"), false},
		{"in a failed block", `Query("select 1")`, dying, in("E"), false},
		{"behind a transaction", `Query("select 1")`, dying, in("I"), true},
		{"with something at the server", `Query("select 1")`, dying, func(s *Session) { s.pins = PinTemp }, false},
		{"with a sequence value", `Query("select 1")`, dying, func(s *Session) { s.pins = PinSequence }, true},
		{"with more settings than are carried", `Query("select 1")`, dying, func(s *Session) { s.overfull = true }, false},
		{"another error", `Query("select 1")`, "ErrorResponse(FATAL 57P02)", nil, false},
		{"no FATAL error", `Query("select 1")`, "ErrorResponse(ERROR 57P01)", nil, false},
		{"a PANIC", `Query("select 1")`, "ErrorResponse(PANIC 57P01)", nil, false},
		{"a warning before", `Query("select 1")`, "NoticeResponse(WARNING 57P01)" + dying, nil, false},
		{"a setting before", `Query("select 1")`, "ParameterStatus(TimeZone, UTC)" + dying, nil, false},
		{"something behind", `Query("select 1")`, dying + " ReadyForQuery(I)", nil, false},
		{"no error", `Query("select 1")`, "RowDescription(a)", nil, false},
		{"nothing asked", ``, dying, nil, false},
	} {
		s := having(t, c.from, c.asked)
		answer := answerOf(t, c.answer)
		if got := s.Aborted(answer) != nil; got != c.want {
			t.Errorf("%s: asked again: %t", c.name, got)
		}
		if !c.want {
			continue
		}
		for i := range answer {
			if s.Aborted(answer[:i]) != nil {
				t.Errorf("%s: by %d bytes of the answer", c.name, i)
			}
		}
		if s.FromServer(serverFrame(t, token{"NoticeResponse", []string{"NOTICE", "00000"}})); s.Aborted(answer) != nil {
			t.Errorf("%s: though the client has heard a notice", c.name)
		}
	}
}

// What is taken back is as if the client had not asked it.
func TestWhatIsTakenBackHasNotBeenAsked(t *testing.T) {
	for _, messages := range []string{
		`Query("set work_mem = 1; select nextval('a')")`,
		`Query("prepare b as select 1")`,
		`Query("deallocate a")`,
		`Parse(b, "select 2") Bind(p, b) Describe(P, p) Execute(p) Close(S, a) Parse("select 3") Sync`,
		`Parse(b, "deallocate a") Bind("", b) Execute Flush`,
	} {
		s := having(t, nil, `Parse(a, "select 1") Sync`)
		for _, k := range tokens(t, `ParseComplete ReadyForQuery(I)`) {
			s.FromServer(serverFrame(t, k))
		}
		want := namesText(s)
		for _, k := range tokens(t, messages) {
			f := clientFrame(t, k)
			s.FromClient(f, true)
			s.Send(f)
		}
		s.TakeBack()
		if got := namesText(s); got != want || s.unnamed != (Statement{}) {
			t.Errorf("%s: the client has %s, not %s", messages, got, want)
		}
		if s.Busy() || s.Lending() != Free || s.changes.len() > 0 || !s.ring.empty() || s.pins != 0 {
			t.Errorf("%s: %s", messages, stateText(s))
		}
	}
}

func namesText(s *Session) string {
	var words []string
	for name, st := range s.names.all() {
		words = append(words, name+"="+st.h.Value().text)
	}
	return strings.Join(slices.Sorted(slices.Values(words)), " ")
}

// A wait that ends with an error takes back what was asked, too.
func TestWhatIsRefusedAfterALossHasNotBeenAsked(t *testing.T) {
	s := having(t, nil, `Parse(a, "select 1") Bind("", a) Execute Sync`)
	s.Refuse(wire.Errorf(wire.QueryCanceled, "canceling statement due to user request"))
	if n := s.names.len(); n != 0 || s.changes.len() != 0 || s.Lending() != Free {
		t.Errorf("%d names, %d changes", n, s.changes.len())
	}
}
