package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"portero/admin"
	"portero/metrics"
)

func TestThePageFitsEveryScreen(t *testing.T) {
	t.Parallel()
	for _, pools := range []int{0, 3, 200} {
		t.Run(fmt.Sprintf("%d pools", pools), func(t *testing.T) {
			s := withPools(pools)
			s.Failovers = []metrics.FailoverState{switchover(0), crash(0)}
			s.NotReady = []string{"main/0: " + strings.Repeat("no leader, and ", 20)}
			if pools == 0 {
				s = quiet()
			}
			r := open(t, desktop, serve(t, s, work).address())
			r.until("all pools", fmt.Sprintf("document.querySelectorAll('#panel-pools tbody tr').length === %d", pools))
			if pools == 0 {
				for _, words := range []string{"Nobody waits", "No group is known yet", "None so far", "None yet: a pool is made", "✓ ready"} {
					r.says(words)
				}
			}
			for _, s := range screens {
				r.use(s)
				r.isLegible(s)
				if !s.dark { // which changes no widths
					r.fits(s)
				}
			}
		})
	}
}

// fits holds that nothing is wider than the screen, in any of the lists.
func (r *reader) fits(s screen) {
	r.t.Helper()
	for _, tab := range []string{"pins", "clients", "servers", "ends", "pools"} {
		r.until("tab "+tab, fmt.Sprintf("(document.querySelector('#tab-%s').click(), !document.querySelector('#panel-%s').hidden)", tab, tab))
		if wide := eval[int](r, "document.scrollingElement.scrollWidth"); wide > int(s.width) {
			r.t.Errorf("%v, %s: the page is %d wide, by %s", s, tab, wide, eval[string](r, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth && !e.closest(".scroll")).map(e => e.tagName + "." + e.className).slice(0, 5).join()`))
		}
	}
	if s.width > 600 {
		return
	}
	small := eval[[]string](r, `[...document.querySelectorAll("body *")].filter(e => e.children.length === 0 && e.textContent.trim() && e.checkVisibility() && parseFloat(getComputedStyle(e).fontSize) < 10.5).map(e => e.tagName + " " + e.textContent)`)
	if len(small) > 0 {
		r.t.Errorf("%v: too small to be read: %q", s, small)
	}
}

// contrast finds texts that do not stand out from what is behind them by 4.5 : 1, as WCAG
// wants it at level AA.
const contrast = `(() => {
	const rgb = (text) => { const n = text.match(/[\d.]+/g).map(Number); return text.startsWith("color(srgb") ? n.map((v, i) => i < 3 ? v * 255 : v) : n };
	const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] === 1) return c } return [255, 255, 255] };
	const found = new Set(); let looked = 0;
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || e.namespaceURI.endsWith("svg") || !e.checkVisibility()) continue;
		const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
		looked++;
		if (ratio < 4.5) found.add(e.tagName + "." + e.className + " " + ratio.toFixed(2));
	}
	return looked < 10 ? ["only " + looked + " texts"] : [...found];
})()`

func (r *reader) isLegible(s screen) {
	r.t.Helper()
	if bad := eval[[]string](r, contrast); len(bad) > 0 {
		r.t.Errorf("%v: hard to read: %v", s, bad)
	}
	ground := eval[string](r, "getComputedStyle(document.body).backgroundColor")
	if dark := strings.HasPrefix(ground, "rgb(1"); dark != s.dark {
		r.t.Errorf("%v: the ground is %s", s, ground)
	}
}

const names = `[...document.querySelectorAll("#panel-pools tbody th b")].map(e => e.textContent)`

func TestPoolsAreFilteredAndSorted(t *testing.T) {
	t.Parallel()
	r := open(t, desktop, serve(t, withPools(200), work).address())
	rows := func(n int) string {
		return fmt.Sprintf("document.querySelectorAll('#panel-pools tbody tr').length === %d", n)
	}
	r.until("all pools", rows(200))
	r.types("#panel-pools input", "BILLING_029 app")
	r.until("those that match", rows(1))
	if got := eval[[]string](r, names); got[0] != "billing_029 / app" {
		t.Errorf("%q", got)
	}
	r.says("1 of 200 pools")
	r.types("#panel-pools input", "")
	r.until("all pools again", rows(200))

	rates := `[...document.querySelectorAll("#panel-pools tbody tr")].map(tr => Number(tr.children[4].textContent.replace(/\D/g, "")))`
	r.until("rates", rates+".every(n => n > 0)")
	r.press("#panel-pools th:nth-child(5) button")
	r.until("the largest rate first", fmt.Sprintf("(r => r.length === 200 && r[0] > r[199] && r.every((n, i) => i === 0 || r[i-1] >= n))(%s)", rates))
	if sorted := eval[string](r, "document.querySelector('#panel-pools th[aria-sort]').ariaSort"); sorted != "descending" {
		t.Errorf("sorted %s", sorted)
	}
	r.press("#panel-pools th:nth-child(5) button")
	r.until("the smallest first", fmt.Sprintf("(r => r[0] < r[199])(%s)", rates))

	// What has been chosen is the address, and survives that it is loaded again.
	if hash := eval[string](r, "location.hash"); hash != "#sort=rate" {
		t.Errorf("address %s", hash)
	}
	eval[bool](r, "(location.hash = '#q=shop&show=waiting&sort=-waiting', location.reload(), true)")
	r.until("the choices again", "document.querySelector('#panel-pools input')?.value === 'shop' && document.querySelector('#panel-pools select').value === 'waiting' && document.querySelectorAll('#panel-pools tbody tr').length > 0")
	if got := eval[[]string](r, names); len(got) > 30 || !strings.HasPrefix(got[0], "shop") {
		t.Errorf("%q", got)
	}
}

// types writes into a field, as a person would: with an event for it.
func (r *reader) types(field, text string) {
	r.t.Helper()
	eval[bool](r, fmt.Sprintf("(e => (e.value = %q, e.dispatchEvent(new Event('input'))))(document.querySelector(%q))", text, field))
}

func (r *reader) press(button string) {
	r.t.Helper()
	eval[bool](r, fmt.Sprintf("(document.querySelector(%q).click(), true)", button))
}

func TestClientsAndServersAreListedWhileSomebodyLooks(t *testing.T) {
	t.Parallel()
	r := open(t, desktop, serve(t, withPools(3), nil).address())
	r.says("3 pools")
	if n := r.askedFor("/clients"); n > 0 {
		t.Errorf("clients were asked for %d times while nobody looked", n)
	}
	r.press("#tab-clients")
	r.says("200 of 1\u202f000: 333 active, 334 idle, 333 waiting")
	r.until("those that wait first", `document.querySelector("#panel-clients tbody tr td").textContent === "waiting"`)
	r.until("a choice of states", "document.querySelectorAll('#panel-clients select')[0].options.length === 4")
	eval[bool](r, "(s => (s.value = 'active', s.dispatchEvent(new Event('change'))))(document.querySelector('#panel-clients select'))")
	r.says("200 of 333 that match")
	r.types("#panel-clients input[placeholder=database]", "db3")
	r.says("48 of 48 that match")
	r.press("#tab-servers")
	r.until("the filter holds for servers too", "document.querySelector('#panel-servers output').textContent.startsWith('4 of 4 that match, of 30')")
	r.press("#tab-pools")
	r.until("pools", "!document.querySelector('#panel-pools').hidden")
	asked := r.askedFor("/clients")
	r.until("some time", fmt.Sprintf("performance.now() > %f", eval[float64](r, "performance.now()")+2500))
	if n := r.askedFor("/clients"); n > asked {
		t.Errorf("clients were asked for %d times behind the back of another list", n-asked)
	}
}

func (r *reader) askedFor(path string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, asked := range r.asked {
		if strings.Contains(asked, path) {
			n++
		}
	}
	return n
}

func TestNamesAreTextsNeverMarkup(t *testing.T) {
	t.Parallel()
	evil := []string{hostile, "line\nbreak", `quo"te'</script>`, "🚪 door", strings.Repeat("w", 63), "%s&amp;"}
	s := quiet()
	g := group()
	g.Cluster, g.Leader, g.Held, g.Switchover = hostile, hostile, hostile, hostile
	g.Members[0].Name, g.Members[1].Role, g.Members[1].State = hostile, hostile, hostile
	f := switchover(0)
	f.From, f.To, f.Cluster = hostile, hostile, hostile
	s.Groups, s.Failovers, s.NotReady, s.Version = []metrics.GroupState{g}, []metrics.FailoverState{f}, []string{hostile}, hostile
	for _, name := range evil {
		p := metrics.PoolState{Pool: metrics.NewPool(metrics.PoolLabels{Cluster: hostile, Database: name, User: name, Role: "leader", Mode: hostile}, 1), ClientsWaiting: 1}
		p.Pins = map[string]metrics.PinState{hostile: {Clients: 1, Times: 1}}
		s.Pools = append(s.Pools, p)
	}
	r := open(t, phone, serve(t, s, nil).address())
	for _, name := range evil {
		r.until(name, fmt.Sprintf("document.body.textContent.includes(%q)", name+" / "+name))
	}
	for _, tab := range []string{"pins", "clients"} {
		r.press("#tab-" + tab)
		r.until(tab, fmt.Sprintf("document.querySelector('#panel-%s').textContent.includes(%q)", tab, hostile))
	}
	r.fits(phone)
	if n := eval[int](r, "document.querySelectorAll('img, main script').length"); n > 0 {
		t.Errorf("%d elements have been made of names", n)
	}
	if title := eval[string](r, "document.title"); strings.Contains(title, "eaten") {
		t.Error("a name was run as a script")
	}
}

func TestAFailoverIsShownByItsPhases(t *testing.T) {
	t.Parallel()
	s := withPools(3)
	m := serve(t, s, nil)
	r := open(t, desktop, m.address())
	r.says("None so far")
	m.change(func(s *admin.Snapshot) {
		f := switchover(0)
		f.Elected, f.Proved, f.Released, f.Outcomes, f.ClientsHeld = time.Time{}, time.Time{}, time.Time{}, metrics.Outcomes{}, 0
		s.Failovers = []metrics.FailoverState{f}
	})
	r.says("Switchover pg2 → pg1 ● under way")
	r.says("clients have been held for")
	width := `Number(document.querySelector(".timeline rect.none").getAttribute("width"))`
	r.until("a drawing", `document.querySelector(".timeline rect.none")`)
	first := eval[float64](r, width)
	r.until("that it grows", fmt.Sprintf("%s > %v", width, first))
	m.change(func(s *admin.Snapshot) { s.Failovers = []metrics.FailoverState{switchover(0), crash(0)} })
	r.says("clients were held for 1.25 s; 8 clients were waiting at the end; no proved leader for 1.03 s; transactions: 1 of unknown outcome (08007), 5 run again unseen")
	if got := eval[[]string](r, `[...document.querySelector(".phases").children].map(e => e.textContent)`); strings.Join(got, " ") != "1announced at first 2held +410 ms 3lost +620 ms 4elected +1.48 s 5proved +1.66 s 6released +1.66 s" {
		t.Errorf("phases %q", got)
	}
	if marks := eval[int](r, `document.querySelectorAll("details[open] .timeline circle").length`); marks != 6 {
		t.Errorf("%d marks", marks)
	}
	// What a reader has opened stays open, whatever comes.
	eval[bool](r, `(document.querySelectorAll("details")[1].open = true)`)
	r.until("the other drawing", `document.querySelectorAll(".timeline")[1].childElementCount > 10`)
	m.change(func(s *admin.Snapshot) {
		s.Failovers = append([]metrics.FailoverState{switchover(-1e9)}, s.Failovers...)
	})
	r.until("a third", `document.querySelectorAll("details").length === 3`)
	if open := eval[[]bool](r, `[...document.querySelectorAll("details")].map(d => d.open)`); !open[0] || !open[1] || !open[2] {
		t.Errorf("open: %v", open)
	}
}
