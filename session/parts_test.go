package session

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

var (
	syncMessage     = &pgproto3.Sync{}
	rollbackMessage = &pgproto3.Query{String: "ROLLBACK"}
)

func TestTheRingKeepsItsOrderAsItGrowsAndWraps(t *testing.T) {
	var e ring
	var want []byte
	for i := range 1000 {
		b := byte('A' + i%26)
		e.push(alone(b))
		want = append(want, b)
		if i%3 == 0 {
			if e.first() != want[0] {
				t.Fatalf("step %d: first is %c, not %c", i, e.first(), want[0])
			}
			e.drop()
			want = want[1:]
		}
	}
	for i, b := range want {
		if got := e.at(i).t; got != b {
			t.Fatalf("entry %d is %c, not %c", i, got, b)
		}
	}
	e.clear()
	if !e.empty() || e.first() != 0 || e.len() != 0 {
		t.Fatal("clear has left something")
	}
	if e.buf == nil {
		t.Fatal("clear gave up a small buffer")
	}
	for range maxKept + 1 {
		e.push(alone('Q'))
	}
	if e.clear(); e.buf != nil {
		t.Fatal("clear kept a buffer that a burst has grown")
	}
}

func TestTheRingAfterEvents(t *testing.T) {
	cases := []struct {
		name   string
		before string
		do     func(e *ring) string
		after  string
	}{
		{"pop takes the markers behind it", "QccE", func(e *ring) string { e.pop(); return "" }, "E"},
		{"an error skips to the Sync", "BEQcPS", func(e *ring) string { return skipsToSync(e) }, "S true"},
		{"an error without a Sync skips all", "BEQc", func(e *ring) string { return skipsToSync(e) }, " false"},
		{"nothing to skip", "", func(e *ring) string { return skipsToSync(e) }, " false"},
		{"COPY: its end has not been sent", "E", copyBegins, "E false false"},
		{"COPY: Syncs before the end are ignored", "ESS", copyBegins, "E false true"},
		{"COPY: Syncs behind the end count", "ESScSPS", copyBegins, "ESPS true true"},
		{"COPY: the end was sent", "QcQ", copyBegins, "QQ true false"},
		{"COPY: only the first end is its own", "Qcc", copyBegins, "Qc true false"},
		{"COPY: a request among the data stays", "EPScS", copyBegins, "EPS true true"},
	}
	for _, c := range cases {
		for head := range 16 { // wherever the ring stands
			e := ringAt(head, c.before)
			said := c.do(e)
			if got := strings.TrimSuffix(entries(e)+" "+said, " "); got != c.after {
				t.Errorf("%s, head %d: %q", c.name, head, got)
			}
		}
	}
}

func copyBegins(e *ring) string {
	ended, early := e.copyBegins()
	return fmt.Sprint(ended, early)
}

func skipsToSync(e *ring) string {
	_, ends := e.skipToSync()
	return fmt.Sprint(ends)
}

func ringAt(head int, text string) *ring {
	e := &ring{}
	e.push(alone('x'))
	e.drop()
	e.head = head
	for i := range len(text) {
		e.push(alone(text[i]))
	}
	return e
}

func entries(e *ring) string {
	var b strings.Builder
	for i := range e.len() {
		b.WriteByte(e.at(i).t)
	}
	return b.String()
}

func TestSettingsFollowReportsThatMatter(t *testing.T) {
	var s Session
	s.Reset(Rest{})
	s.Serve(serverDefaults, nil)
	report := func(name, value string) {
		s.FromServer(frameOf(t, &pgproto3.ParameterStatus{Name: name, Value: value}))
	}
	report("TimeZone", "Asia/Tokyo")
	report("application_name", "x")
	report("server_version", "99")
	report("In_Hot_Standby", "on")
	report("client_encoding", "LATIN1")
	report("application_name", "")
	if got := settingsText(s.settings); got != "client_encoding=LATIN1 timezone=Asia/Tokyo" {
		t.Errorf("settings are %s", got)
	}
	report("session_authorization", "app")
	if s.foreign {
		t.Error("the user that logged in is not a foreign one")
	}
	if report("is_superuser", "on"); s.foreign || !s.Asks() {
		t.Error("a server that may act in another role is not asked for it")
	}
	if report("session_authorization", "other"); !s.foreign || !s.Bound() {
		t.Error("a server that acts as another user may be exchanged for another")
	}
}
