package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"portero/internal/lab"
	"portero/proxy"
)

var rewrite = flag.Bool("rewrite", false, "write what explain says, and what citus prints, into testdata")

// TestExplainSaysThis runs the commands of testdata/explain: files with configurations, and
// behind each command what it prints and its exit status.
func TestExplainSaysThis(t *testing.T) {
	names, err := filepath.Glob("testdata/explain/*.txt")
	if err != nil || len(names) < 4 {
		t.Fatalf("%d files: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			whole, err := filepath.Abs(name)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			got := playExplain(t, string(text))
			switch {
			case *rewrite:
				if err := os.WriteFile(whole, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			case got != string(text):
				t.Errorf("-rewrite writes it anew\n%s", firstDifference(got, string(text)))
			}
		})
	}
}

// playExplain writes the files of a text into the current folder and runs its commands. It
// returns the text as it should be.
func playExplain(t *testing.T, text string) string {
	t.Helper()
	files, commands, ok := strings.Cut(text, "-- commands --\n")
	if !ok {
		t.Fatal("there are no commands")
	}
	for _, part := range strings.Split(files, "\n-- ")[1:] {
		name, content, _ := strings.Cut(part, " --\n")
		if err := os.WriteFile(name, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	out.WriteString(files + "-- commands --\n")
	for line := range strings.Lines(commands) {
		if !strings.HasPrefix(line, "$ ") {
			continue
		}
		out.WriteString(line)
		stdout, stderr, status := runLine(t, strings.TrimSpace(line[2:]))
		fmt.Fprintf(&out, "%s%s=> %d\n\n", stdout, stderr, status)
	}
	return out.String()
}

// runLine runs the program as a shell would, with variables before it.
func runLine(t *testing.T, line string) (stdout, stderr string, status int) {
	t.Helper()
	words := splitLine(line)
	for strings.Contains(words[0], "=") {
		name, value, _ := strings.Cut(words[0], "=")
		before, was := os.LookupEnv(name)
		os.Setenv(name, value)
		defer func() {
			if os.Unsetenv(name); was {
				os.Setenv(name, before)
			}
		}()
		words = words[1:]
	}
	return portero(words[1:]...)
}

// splitLine splits at blanks that are not between double quotes.
func splitLine(line string) (words []string) {
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d is %q\nand was %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("there are %d lines, and were %d", len(g), len(w))
}

// TestExplainAsksThePorteroThatRuns has a client be held, refused and let in.
func TestExplainAsksThePorteroThatRuns(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	p := startWatched(t, lab.PorteroOptions{Config: configText(postgres.Address(), "max_user_client_connections = 2\npool_size = 1")})
	config := p.Path("proxy.toml")
	ask := func(user string, wantStatus int) proxy.Answer {
		t.Helper()
		stdout, stderr, status := portero("explain", "--config", config, "--user", user, "--json")
		var found proxy.Explanation
		if err := json.Unmarshal([]byte(stdout), &found); err != nil || status != wantStatus || found.Running == nil || found.Config != config {
			t.Fatalf("%s: exit status %d, %v, %s%s", user, status, err, stdout, stderr)
		}
		return found.Answers[0]
	}
	if a := ask("postgres", 0); a.Now.Pool != nil || len(a.Now.Members) != 1 || !a.Now.Members[0].Fits {
		t.Errorf("before anybody has come: %+v", a.Now)
	}
	connect(t, p.Address)
	mustAsk(t, connect(t, p.Address), "begin", "")
	if a := ask("postgres", 1); a.Now.Refused == nil || a.Now.Refused.Code != "53300" || a.Now.Pool.Clients != 2 || a.Now.Members[0].Servers != 1 || !a.Now.Members[0].Leads {
		t.Errorf("with as many clients as there may be: %+v, %+v", a.Now, a.Now.Pool)
	}
	p.order(t, "PAUSE other")
	if a := ask("other", 0); a.Now.Held != "paused" {
		t.Errorf("of a paused database: %+v", a.Now)
	}
	p.order(t, "SET query_wait_timeout = 77")
	settings := ask("other", 0).Settings
	if i := slices.IndexFunc(settings, func(s proxy.Setting) bool { return s.Name == "query_wait_timeout" }); settings[i].Value != "1m17s" || settings[i].Place != "SET on the console" {
		t.Errorf("of what was set on the console: %+v", settings[i])
	}
	p.order(t, "RESUME other")
	p.order(t, "DISABLE other")
	if a := ask("other", 1); a.Now.Refused == nil || a.Now.Refused.Code != "55000" {
		t.Errorf("of a disabled database: %+v", a.Now)
	}

	stdout, _, status := portero("explain", "--config", config, "--user", "third")
	for _, want := range []string{"by the Portero that runs", postgres.Address() + ", primary, leads", "there is no such pool yet"} {
		if status != 0 || !strings.Contains(stdout, want) {
			t.Errorf("exit status %d, and %q is not in\n%s", status, want, stdout)
		}
	}
	if code, body := p.get(t, "/explain"); code != http.StatusBadRequest || body != "no user is given\n" {
		t.Errorf("/explain without a user: %d %q", code, body)
	}
	if _, stderr, status := portero("explain", "--admin", freeAddresses(t, 1)[0], "--user", "app"); status != 2 || !strings.Contains(stderr, "no Portero answers") {
		t.Errorf("where nobody runs: exit status %d, %q", status, stderr)
	}
}

// Names, values and what a stranger answers are printed without what a terminal would obey.
func TestExplainPrintsNoControlCharacters(t *testing.T) {
	const evil = "x\x1b]0;y\a\u009b2J\u202e"
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintln(w, evil) //nolint:errcheck // the test sees what is missing
	}))
	defer stranger.Close()
	_, asked, _ := portero("explain", "--admin", stranger.Listener.Addr().String(), "--user", "app")

	var written strings.Builder
	e := proxy.Explanation{Newcomer: proxy.Newcomer{User: evil, Database: evil}, Answers: []proxy.Answer{{
		Listeners: []proxy.Entrance{{Address: evil}}, Pool: &proxy.PoolKey{Database: evil},
		Settings: []proxy.Setting{{Name: "connect_query", Value: evil, Place: evil}, {Name: "other", Value: evil}},
	}}}
	if err := writeExplanation(&written, e, evil); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{asked, written.String()} {
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 || !strings.Contains(text, "x?]0;y??2J?") {
			t.Errorf("at byte %d of %q", i, text)
		}
	}
}

// An answer that is too long is said to be, and not taken for that of nobody.
func TestAnswersThatAreTooLongAreSaidToBe(t *testing.T) {
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		block := bytes.Repeat([]byte("x"), 1<<20)
		for range mostAnswered>>20 + 1 {
			if _, err := w.Write(block); err != nil {
				return // it has had enough
			}
		}
	}))
	defer endless.Close()
	at := endless.Listener.Addr().String()
	for _, args := range [][]string{{"explain", "--admin", at, "--user", "app"}, {"diff", "--admin", at}} {
		want := fmt.Sprintf("portero %s: %s answers what cannot be read: the answer is longer than 16 MiB\n", args[0], at)
		if stdout, stderr, status := portero(args...); status != 2 || stdout != "" || stderr != want {
			t.Errorf("%s: exit status %d, %.80q, %.200q", args[0], status, stdout, stderr)
		}
	}
}

// order gives a command on the console.
func (p process) order(t *testing.T, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := lab.RunSQL(ctx, "postgres://ops@"+p.Address+"/pgbouncer?sslmode=disable&default_query_exec_mode=simple_protocol", command); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
}

// TestThePageOfExplainAndTopShowsWhatTheyPrint holds docs/explain-and-top.md to the files that
// tests hold both programs to.
func TestThePageOfExplainAndTopShowsWhatTheyPrint(t *testing.T) {
	var texts [3]string
	for i, name := range []string{"../../docs/explain-and-top.md", "testdata/explain/page.txt", "../../top/testdata/pools.80x24.txt"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	shown := fences.FindAllStringSubmatch(texts[0], -1)
	if len(shown) != 5 {
		t.Errorf("the page shows %d texts", len(shown))
	}
	for _, f := range shown {
		if !strings.Contains(texts[1]+texts[2], f[2]) {
			t.Errorf("nothing prints\n%s", f[2])
		}
	}
}

func TestExplainSaysThatClientsWaitWhereNoMemberFits(t *testing.T) {
	for _, c := range []struct {
		fits []bool
		want bool
	}{{nil, false}, {[]bool{false, false}, true}, {[]bool{false, true}, false}} {
		now := &proxy.Present{}
		for i, fits := range c.fits {
			now.Members = append(now.Members, proxy.MemberNow{Name: fmt.Sprint("pg", i), Fits: fits, Why: "lags"})
		}
		var written strings.Builder
		e := proxy.Explanation{Answers: []proxy.Answer{{Pool: &proxy.PoolKey{}, Now: now}}}
		if err := writeExplanation(&written, e, ""); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(written.String(), "held          clients wait: no member fits"); got != c.want {
			t.Errorf("members that fit %v:\n%s", c.fits, written.String())
		}
	}
}
