package browser

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/memory"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"portero/admin"
	"portero/internal/lab"
	"portero/metrics"
)

// A Portero that is started again, or another version that takes its place, is found by the
// pages that are open.
func TestThePageFindsPorteroAgain(t *testing.T) {
	t.Parallel()
	m, address := &madeUp{s: withPools(3), grow: work}, lab.AddressForTest(t)
	m.start(t, address)
	r := open(t, desktop, m.address())
	r.excused = []string{"net::ERR_"}
	r.says("● live")
	eval[bool](r, "window.same = true")
	m.Close(context.Background()) //nolint:errcheck // it is bounded by nothing
	r.says("○ reconnecting")
	r.says("No news from Portero for")
	m.change(func(s *admin.Snapshot) {
		*s = withPools(2)
		s.Pools[0].Labels.Database, s.Pools[1].Labels.Database = "again", "again"
	})
	m.start(t, address)
	r.says("● live")
	r.says("again / app")
	r.until("the old pools gone", "document.querySelectorAll('#panel-pools tbody tr').length === 2 && document.querySelector('#old').hidden")
	if !eval[bool](r, "window.same === true") {
		t.Error("the page was loaded anew")
	}

	m.Close(context.Background()) //nolint:errcheck // likewise
	m.change(func(s *admin.Snapshot) { s.Version, s.Started = "1.0.1", time.Now() })
	m.start(t, address)
	r.until("the new version's page", "window.same === undefined && document.querySelector('#version')?.textContent === '1.0.1'")
	eval[bool](r, "window.same = true")
	m.change(func(s *admin.Snapshot) { s.Version = "1.0.0" }) // two of them, behind one address
	r.until("the other version", "document.querySelector('#version')?.textContent === '1.0.0'")
	if !eval[bool](r, "window.same === true") {
		t.Error("the page was loaded anew twice")
	}
}

// Where all streams are taken, the page asks for the state in their place.
func TestThePageGoesOnWithoutAStream(t *testing.T) {
	t.Parallel()
	m := serve(t, withPools(3), work)
	var streams []net.Conn
	for range admin.MaxStreams {
		conn, err := net.Dial("tcp", m.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET /events HTTP/1.1\r\nHost: portero\r\n\r\n")
		if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || answer.StatusCode != 200 {
			t.Fatalf("%v, %v", answer, err)
		}
		streams = append(streams, conn)
	}
	// Its clock is fast, so that it soon tries again.
	r := open(t, desktop, m.address(), before("const now = performance.now.bind(performance); performance.now = () => 10 * now()"))
	r.excused = []string{"503"}
	r.says("◐ every 2 s")
	r.says("shop / app")
	m.change(func(s *admin.Snapshot) { s.NotReady = []string{"news"} })
	r.says("✗ not ready")
	for _, conn := range streams {
		conn.Close()
	}
	r.says("● live")
}

// fakeSource is an EventSource whose events are the test's.
const fakeSource = `window.EventSource = class {
	static CLOSED = 2; readyState = 1; heard = {};
	constructor() { window.source = this }
	addEventListener(name, fn) { this.heard[name] = fn }
	close() {}
	say(name, event) { this.heard[name]({ data: JSON.stringify(event) }) }
}`

// manyTicks has so many seconds pass in which everything is another, pools come and go, and
// failovers happen.
const manyTicks = `(async (n) => {
	const frame = () => new Promise(done => requestAnimationFrame(done));
	for (const end = window.tick + n; window.tick < end; window.tick++) {
		const t = window.tick, s = structuredClone(window.first);
		s.up_ms += 1000 * t;
		s.pools.forEach((p, i) => { p.clients_waiting = (t * (i + 3)) % 7; p.transactions += t * i; p.max_wait_ms = t % 50; p.waits = t; p.wait_us = t * 900 });
		for (let i = 0; i < 3; i++) s.pools.push({ ...s.pools[0], id: 100000 + 3 * t + i, database: "passing" + t });
		s.failovers.forEach((f, i) => { f.began = new Date(1e12 + 1e6 * (t + i)).toISOString(); f.is = t % 2 ? "over" : "under way" });
		s.groups[0].members.push({ ...s.groups[0].members[0], name: "passing" + t, leads: false });
		s.not_ready = ["reason " + t]; s.ready = false;
		if (t % 10) s.gone = [100000 + 3 * (t-1), 100001 + 3 * (t-1), 100002 + 3 * (t-1)];
		window.source.say(t % 10 ? "change" : "state", s);
		await frame();
	}
	return true;
})`

// A page that is left open for months does not grow.
func TestThePageDoesNotGrow(t *testing.T) {
	s := withPools(40)
	s.Failovers = []metrics.FailoverState{switchover(0), crash(0)}
	m := serve(t, s, work)
	r := open(t, desktop, m.address(), before(fakeSource))
	r.awaits("fetch('state').then(a => a.json()).then(s => { window.first = s; window.tick = 0; return true })")
	r.awaits(manyTicks + "(40)") // so that what is bounded is full
	first := r.size()
	r.awaits(manyTicks + "(100)")
	then := r.size()
	t.Logf("%d nodes and %.0f kB, then %d and %.0f kB", first.nodes, first.heap/1000, then.nodes, then.heap/1000)
	if then.nodes > first.nodes+first.nodes/20 {
		t.Errorf("%d nodes have become %d", first.nodes, then.nodes)
	}
	if then.listeners > first.listeners+first.listeners/20 {
		t.Errorf("%d listeners have become %d", first.listeners, then.listeners)
	}
	if then.heap > 1.2*first.heap {
		t.Errorf("%.0f kB have become %.0f", first.heap/1000, then.heap/1000)
	}
}

// before has a script run before those of the page.
func before(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(command(page.Enable, page.EnableParams{}),
		command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script}))
}

type size struct {
	nodes, listeners int64
	heap             float64 // bytes
}

func (r *reader) size() size {
	r.t.Helper()
	for range 2 {
		ask(r, heapprofiler.CollectGarbage, cdp.Empty{})
	}
	counters := ask(r, memory.GetDOMCounters, cdp.Empty{})
	return size{counters.Nodes, counters.JsEventListeners, ask(r, runtime.GetHeapUsage, cdp.Empty{}).UsedSize}
}
