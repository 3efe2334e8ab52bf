// Package browser tests the status page as people meet it: in a real Chromium, served by a real
// admin.Server with made-up snapshots, and by a real Portero before a real cluster.
package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// chromium is one for all tests, each of which has tabs of its own.
var chromium context.Context

func TestMain(m *testing.M) {
	program, err := exec.LookPath("chromium")
	if err != nil {
		fmt.Fprintln(os.Stderr, "needs Debian's package chromium:", err)
		os.Exit(1)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	allocator, closeAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	var closeBrowser context.CancelFunc
	chromium, closeBrowser = chromedp.NewContext(allocator)
	if err := chromedp.Do(chromium); err != nil {
		fmt.Fprintln(os.Stderr, "start chromium:", err)
		os.Exit(1)
	}
	status := m.Run()
	closeBrowser()
	closeAllocator()
	os.Exit(status)
}

// screen is what a reader looks at the page with.
type screen struct {
	name          string
	width, height int64
	dark          bool
}

func (s screen) String() string {
	if s.dark {
		return s.name + ", dark"
	}
	return s.name
}

var (
	desktop = screen{name: "desktop", width: 1280, height: 900}
	phone   = screen{name: "phone", width: 360, height: 740}
	screens = []screen{desktop, phone, {"desktop", 1280, 900, true}, {"phone", 360, 740, true}}
)

// reader is a tab with the page. What its console says, and whom it asks, is kept.
type reader struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex // guards what follows
	faults []string   // errors and exceptions
	asked  []string   // addresses

	excused []string // parts of faults that are the test's own doing
}

// open shows an address on a screen, behind the steps before; the tab is closed with the test.
// At its end nothing may have gone wrong in it, but for what the test has told it to excuse,
// and only the address's host may have been asked.
func open(t *testing.T, s screen, address string, before ...chromedp.Action[chromedp.Void]) *reader {
	t.Helper()
	r := &reader{t: t}
	ctx, closeTab := chromedp.NewContext(chromium, chromedp.WithListener(r.hear), chromedp.WithNewWindow(true)) // in a window of its own no tab is hidden behind another
	r.ctx = ctx
	t.Cleanup(func() {
		r.check(address)
		closeTab()
	})
	if err := chromedp.Do(r.ctx); err != nil { // the tab lives as long as the context of its first step
		t.Fatal(err)
	}
	r.do(command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}))
	r.use(s)
	for _, step := range before {
		r.do(step)
	}
	r.do(chromedp.Navigate(address))
	return r
}

// use has the page shown on another screen.
func (r *reader) use(s screen) {
	r.t.Helper()
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	r.do(
		command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s.width < 600}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}}),
	)
}

// command is one of the protocol, as a step.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, c, params)
		return err
	})
}

// ask sends a command of the protocol.
func ask[P, R any](r *reader, c cdp.Command[P, R], params P) R {
	r.t.Helper()
	return run(r, func(ctx context.Context, tab *chromedp.Target) (R, error) { return cdp.Call(ctx, tab, c, params) })
}

func (r *reader) hear(event any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		r.faults = append(r.faults, fmt.Sprintf("%s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			r.faults = append(r.faults, fmt.Sprintf("%s (%s)", e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			r.faults = append(r.faults, fmt.Sprintf("console: %+v", e.Args))
		}
	case *network.EventRequestWillBeSent:
		r.asked = append(r.asked, e.Request.URL)
	}
}

func (r *reader) check(address string) {
	r.t.Helper()
	home, err := url.Parse(address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, fault := range r.faults {
		if !containsAny(fault, r.excused) {
			r.t.Errorf("the page has gone wrong: %s", fault)
		}
	}
	for _, asked := range r.asked {
		if u, err := url.Parse(asked); err != nil || u.Host != home.Host {
			r.t.Errorf("the page has asked %s", asked)
		}
	}
	if len(r.asked) < 5 {
		r.t.Errorf("requests were not seen, but for %v", r.asked)
	}
}

func containsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

func (r *reader) do(steps ...chromedp.Action[chromedp.Void]) {
	r.t.Helper()
	run(r, chromedp.Steps(steps...))
}

// run takes a step, for which there is as much time as a test has patience.
func run[V any](r *reader, step chromedp.Action[V]) V {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, step)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// eval is the value of an expression of JavaScript.
func eval[V any](r *reader, expression string) V {
	r.t.Helper()
	return run(r, chromedp.Evaluate[V](expression))
}

// until waits for an expression to be true. While the page is loaded anew nothing is.
func (r *reader) until(what, expression string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && is {
			return
		}
		if ctx.Err() != nil {
			r.t.Fatalf("not yet: %s (%v); the page says\n%s", what, err, eval[string](r, "document.body.innerText"))
		}
		<-time.After(10 * time.Millisecond)
	}
}

// says waits for words on the page.
func (r *reader) says(words string) {
	r.t.Helper()
	r.until(words, fmt.Sprintf("document.body.innerText.includes(%q)", words))
}

// awaits is eval of a promise, which may take a while.
func (r *reader) awaits(expression string) {
	r.t.Helper()
	run(r, chromedp.Evaluate[bool](expression, chromedp.EvalAwaitPromise))
}
