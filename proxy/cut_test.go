package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// witness is an honest fake that keeps all that it is sent.
type witness struct {
	*fake
	mu    sync.Mutex // guards heard
	heard []string
}

func startWitness(t *testing.T, behave func(*fakeConn, pgproto3.FrontendMessage) bool) *witness {
	w := &witness{}
	w.fake = startFake(t, func(c *fakeConn, m pgproto3.FrontendMessage) bool {
		word := fmt.Sprintf("%T", m)
		if ask, ok := m.(*pgproto3.Query); ok {
			word = ask.String
		}
		w.mu.Lock()
		w.heard = append(w.heard, word)
		w.mu.Unlock()
		return behave(c, m)
	})
	return w
}

func (w *witness) has(word string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.heard, word)
}

// freeze stops a loop until thaw: what is posted to it meanwhile runs in one
// turn, in the order of the posts.
func (w *world) freeze(loop int) (thaw func()) {
	began, end := make(chan struct{}), make(chan struct{})
	w.loops[loop].Post(func() {
		close(began)
		<-end
	})
	<-began
	return sync.OnceFunc(func() { close(end) })
}

// handOver has two clients on two loops: the first holds the only server, the
// other has sent an insert and waits for it. While that one's loop stands still,
// something happens to it, and then the server is handed to it.
func handOver(t *testing.T, w *world, happens func(r *raw)) (holder, r *raw) {
	t.Helper()
	holder, r = w.dial(), w.dial()
	holder.ask("C(BEGIN) Z(T)", q("begin"))
	r.send(q("insert"))
	waiting := func(n int) func() bool {
		return func() bool { return w.pools.States()[0].ClientsWaiting == n }
	}
	eventually(t, "in the queue", waiting(1))
	thaw := w.freeze(1)
	defer thaw()
	happens(r)
	holder.ask("C(COMMIT) Z(I)", q("commit"))
	eventually(t, "handed over", waiting(0))
	return holder, r
}

// lastWords is all that comes until the connection ends.
func (r *raw) lastWords() string {
	var words []string
	for {
		m, err := r.fe.Receive()
		if err != nil {
			return strings.Join(words, " ")
		}
		words = append(words, word(m))
	}
}

func TestCutAtTheMomentOfTheHandOverStartsNoStatement(t *testing.T) {
	f := startWitness(t, lying(map[string]func(*fakeConn) bool{"commit": func(c *fakeConn) bool {
		c.complete("COMMIT", 'I')
		return true
	}}))
	w := startBefore(t, f.address, size(1), loops(2))
	holder, r := handOver(t, w, func(r *raw) { w.proxy.Cut(r.id, r.secret) })
	told := r.lastWords()
	eventually(t, "the server is idle", func() bool { return w.pools.States()[0].ServersIdle == 1 })
	holder.ask(answer, q("select 1"))
	if f.has("insert") || told != "E(FATAL_57P01)" {
		t.Errorf("the statement has reached the server: %t; the client was told %q", f.has("insert"), told)
	}
	if n := f.logins.Load(); n != 1 {
		t.Errorf("%d servers were opened: the one that had seen nothing was not kept", n)
	}
}

func TestCutWhileTheServerIsMadeReadyStartsNoStatement(t *testing.T) {
	asked, proceed := make(chan struct{}, 9), make(chan struct{}, 9)
	f := startWitness(t, settingUp(func(c *fakeConn) bool {
		asked <- struct{}{}
		<-proceed
		return c.isSet()
	}))
	w := startBefore(t, f.address, size(1), loops(2))
	defer close(proceed)
	proceed <- struct{}{}
	proceed <- struct{}{}
	r, other := w.dial("TimeZone", "Asia/Tokyo"), w.dial()
	<-asked
	<-asked
	r.send(q("insert"))
	<-asked
	w.proxy.Cut(r.id, r.secret)
	told := r.lastWords()
	proceed <- struct{}{}
	other.ask(answer, q("select 1"))
	eventually(t, "the first server has read to its end", func() bool { return f.has("*pgproto3.Terminate") })
	if f.has("insert") || told != "E(FATAL_57P01)" {
		t.Errorf("the statement has reached the server: %t; the client was told %q", f.has("insert"), told)
	}
	if n := f.logins.Load(); n != 2 {
		t.Errorf("%d servers were opened: one with an answer to come may not be kept", n)
	}
}

func TestDrainLetsAClientThatWasJustHandedAServerFinish(t *testing.T) {
	f := startWitness(t, lying(map[string]func(*fakeConn) bool{
		"commit": func(c *fakeConn) bool { c.complete("COMMIT", 'I'); return true },
		"insert": func(c *fakeConn) bool { c.complete("INSERT 0 1", 'T'); return true }, // opens a transaction
	}))
	w := startBefore(t, f.address, size(1), loops(2))
	holder, r := handOver(t, w, func(r *raw) { w.proxy.Drain(r.id, r.secret) })
	holder.expect("E(FATAL_57P01)")
	r.expect("C(INSERT_0_1) Z(T)")
	r.ask("C(COMMIT) Z(I) E(FATAL_57P01)", q("commit"))
	r.ended()
}

func TestDrainTellsAClientThatWaits(t *testing.T) {
	f := startWitness(t, honest)
	w := startBefore(t, f.address, size(1), loops(2))
	holder, r := w.dial(), w.dial()
	holder.ask("C(BEGIN) Z(T)", q("begin"))
	r.send(q("insert"))
	eventually(t, "in the queue", func() bool { return w.pools.States()[0].ClientsWaiting == 1 })
	w.proxy.Drain(r.id, r.secret)
	r.expect("E(FATAL_57P01)")
	r.ended()
	holder.ask("C(ROLLBACK) Z(I) E(FATAL_57P01)", q("ROLLBACK"))
	if f.has("insert") {
		t.Error("the statement has reached the server")
	}
}
