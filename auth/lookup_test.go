package auth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"portero/config"
	"portero/wire"
)

// registry is a database of secrets that counts what it is asked for, and a clock that
// stands still unless it is moved.
type registry struct {
	mu      sync.Mutex
	secrets map[string]string
	asked   map[string]int
	down    error
	clock   time.Time
}

func newRegistry(secrets map[string]string) *registry {
	return &registry{secrets: secrets, asked: make(map[string]int), clock: time.Unix(1_000_000, 0)}
}

func (g *registry) ask(_ context.Context, q Question) (Answer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked[q.Name]++
	secret, found := g.secrets[q.Name]
	return Answer{Found: found, Name: q.Name, Secret: secret}, g.down
}

func (g *registry) now() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.clock
}

func (g *registry) pass(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clock = g.clock.Add(d)
}

func (g *registry) set(name, secret string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.secrets[name] = secret
}

func (g *registry) times(name string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[name]
}

// of is an Authenticator that looks users up in the registry.
func (g *registry) of(t *testing.T, method string, maxAge time.Duration) *Authenticator {
	t.Helper()
	cfg := config.Default()
	cfg.Auth.Method, cfg.Auth.Users, cfg.Auth.QueryUser, cfg.Auth.QueryMaxAge = method, "", "asker", maxAge
	r := config.NewReport()
	a := Load(cfg, r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	a.lookups.now = g.now
	return a
}

// arrival is a client whose route leads to the registry.
func (g *registry) arrival(user string) *Arrival {
	c := from("127.0.0.1", user, "app")
	c.Home = &Home{Cluster: "main", Database: "app", Ask: g.ask}
	return c
}

// enter logs in with a cleartext password; the SQLSTATE is "" if that is right.
func (g *registry) enter(t *testing.T, a *Authenticator, user, password string) string {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	go answerPassword(there, password)
	_, err := a.Client(wire.NewStream(here), g.arrival(user))
	var said *wire.Error
	if errors.As(err, &said) {
		return said.Code
	}
	if err != nil {
		t.Fatal(err)
	}
	return ""
}

func TestAFloodOfLoginsIsNoFloodOfQuestions(t *testing.T) {
	g := newRegistry(map[string]string{"ann": "secret"})
	a := g.of(t, "password", time.Minute)
	for range 100 {
		if code := g.enter(t, a, "ann", "secret"); code != "" {
			t.Fatal(code)
		}
		if code := g.enter(t, a, "nobody", "secret"); code != "28P01" {
			t.Fatal(code)
		}
	}
	if n := g.times("ann"); n != 1 {
		t.Errorf("%d questions for one who gets in", n)
	}
	if n := g.times("nobody"); n != 2 { // and once more, as a password did not fit
		t.Errorf("%d questions for nobody", n)
	}
	for range 100 {
		if code := g.enter(t, a, "ann", "wrong"); code != "28P01" {
			t.Fatal(code)
		}
	}
	if n := g.times("ann"); n != 2 {
		t.Errorf("%d questions for one who guesses", n)
	}
	g.pass(askAgainAfter)
	g.enter(t, a, "ann", "secret")
	if n := g.times("ann"); n != 3 {
		t.Errorf("%d questions, the last for an answer that was old", n)
	}
}

func TestManyWhoComeAtOnceWaitForOneAnswer(t *testing.T) {
	g := newRegistry(map[string]string{"ann": "secret"})
	a := g.of(t, "password", time.Minute)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { g.enter(t, a, "ann", "secret") })
	}
	all.Wait()
	if n := g.times("ann"); n != 1 {
		t.Errorf("%d questions", n)
	}
}

func TestAPasswordThatHasJustChangedIsAskedForOnceMore(t *testing.T) {
	for _, method := range []string{"password"} {
		g := newRegistry(map[string]string{"ann": "secret"})
		a := g.of(t, method, time.Minute)
		g.enter(t, a, "ann", "secret")
		g.set("ann", "changed")
		if code := g.enter(t, a, "ann", "changed"); code != "" {
			t.Errorf("%s: %s", method, code)
		}
		if code := g.enter(t, a, "ann", "secret"); code != "28P01" {
			t.Errorf("%s, the old one: %q", method, code)
		}
	}
}

func TestAnAnswerServesWhileNobodyCanBeAsked(t *testing.T) {
	g := newRegistry(map[string]string{"ann": "secret"})
	a := g.of(t, "password", time.Minute)
	g.enter(t, a, "ann", "secret")
	g.enter(t, a, "nobody", "secret")
	g.down = &Unanswered{Err: errors.New("no leader"), Held: "no leader"}
	g.pass(time.Minute - time.Second)
	if code := g.enter(t, a, "ann", "secret"); code != "" {
		t.Errorf("within query_max_age: %s", code)
	}
	if code := g.enter(t, a, "ann", "wrong"); code != "28P01" {
		t.Errorf("with a wrong password: %q", code)
	}
	if code := g.enter(t, a, "nobody", "secret"); code != "57P03" { // he may be there by now
		t.Errorf("nobody: %q", code)
	}
	g.pass(2 * time.Second)
	if code := g.enter(t, a, "ann", "secret"); code != "57P03" {
		t.Errorf("beyond it: %q", code)
	}
	g.down = &Unanswered{Err: errors.New("no such table"), Refused: true}
	if code := g.enter(t, a, "ann", "secret"); code != "F0000" {
		t.Errorf("refused: %q", code)
	}
	g.down = nil
	if code := g.enter(t, a, "ann", "secret"); code != "" {
		t.Errorf("answered again: %q", code)
	}
}

func TestWithAMaxAgeOfZeroNoAnswerServesTwice(t *testing.T) {
	g := newRegistry(map[string]string{"ann": "secret"})
	a := g.of(t, "password", 0)
	g.enter(t, a, "ann", "secret")
	g.down = &Unanswered{Err: errors.New("no leader")}
	g.pass(askAgainAfter)
	if code := g.enter(t, a, "ann", "secret"); code != "57P03" {
		t.Errorf("%q", code)
	}
}

func TestAnswersThatLetNobodyIn(t *testing.T) {
	g := newRegistry(map[string]string{"null": "", "broken": "SCRAM-SHA-256$nonsense"})
	a := g.of(t, "password", time.Minute)
	for _, name := range []string{"null", "broken", "nobody"} {
		for _, password := range []string{"", "secret", "SCRAM-SHA-256$nonsense"} {
			if code := g.enter(t, a, name, password); code != "28P01" {
				t.Errorf("%s: %q", name, code)
			}
		}
	}
	c := g.arrival("ann")
	c.Home.Ask = func(context.Context, Question) (Answer, error) {
		return Answer{Found: true, Name: "bob", Secret: "secret"}, nil
	}
	e, err := a.find(c)
	if err != nil || !e.mock || !strings.Contains(e.why, "for another user: bob") {
		t.Errorf("an answer for another: %v, %v", e, err)
	}
}

func TestWhoIsInTheFileIsNotAskedFor(t *testing.T) {
	g := newRegistry(map[string]string{"ann": "secret"})
	a := g.of(t, "password", time.Minute)
	a.users = parseUsers(`"ann" "of the file"`, func(_ int, err error) { t.Error(err) })
	if code := g.enter(t, a, "ann", "of the file"); code != "" {
		t.Error(code)
	}
	if code := g.enter(t, a, "ann", "secret"); code != "28P01" {
		t.Error(code)
	}
	if n := g.times("ann"); n != 0 {
		t.Errorf("%d questions", n)
	}
}

func TestWhatIsRememberedOfUsersIsBounded(t *testing.T) {
	var fs findings
	known := fs.of(place{name: "known"})
	known.enter(t.Context())
	fs.take(known, Answer{Found: true, Name: "known", Secret: "secret"}, time.Now())
	known.leave()
	for i := range 2 * maxFindings {
		f := fs.of(place{name: fmt.Sprint(i)})
		f.enter(t.Context())
		fs.take(f, Answer{}, time.Now())
		f.leave()
	}
	if n := len(fs.all); n != maxFindings {
		t.Errorf("%d", n)
	}
	if fs.of(place{name: "known"}) != known {
		t.Error("names that nobody has have pushed out a user")
	}
}

func TestQuestionsHaveAPace(t *testing.T) {
	var p pace
	now := time.Unix(1000, 0)
	for i := range questionsAtOnce {
		if wait, ok := p.take(now, 0); wait != 0 || !ok {
			t.Fatalf("question %d waits %s", i, wait)
		}
	}
	if _, ok := p.take(now, 0); ok {
		t.Error("one more does not wait, and should")
	}
	for i := 1; i <= 3; i++ {
		if wait, ok := p.take(now, time.Hour); !ok || wait != time.Duration(i)*timeToAskAnything {
			t.Errorf("the %dth beyond them waits %s", i, wait)
		}
	}
	if wait, ok := p.take(now.Add(time.Second), 0); wait != 0 || !ok {
		t.Errorf("a second later: %s", wait)
	}
}

func TestNoAnswerShowsItsSecret(t *testing.T) {
	a := Answer{Found: true, Name: "ann", Secret: "hidden"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, a); strings.Contains(text, "hidden") {
			t.Errorf("%s: %s", format, text)
		}
	}
}

func TestAVerifierIsNothingToAskBy(t *testing.T) {
	file := t.TempDir() + "/users"
	v := `"asker" "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="`
	if err := os.WriteFile(file, []byte(v), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Auth.Users, cfg.Auth.QueryUser = file, "asker"
	cfg.Clusters[0].Metadata.User = "asker"
	r := config.NewReport()
	Load(cfg, r)
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "cluster[1].metadata.user: asker has a SCRAM verifier in "+file+", which opens no server") {
		t.Error(err)
	}
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "auth.query_user: asker has a SCRAM verifier in "+file+", which opens no server") {
		t.Errorf("%v", err)
	}
}
