package browser

import (
	"bytes"
	"cmp"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"

	"portero/admin"
	"portero/metrics"
)

var screenshots = flag.String("screenshots", "", "folder to write pictures of the page to, for the docs")

// TestScreenshots writes the pictures of docs/status-page.md, if it is asked to.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		return
	}
	s := withPools(9)
	s.Failovers = []metrics.FailoverState{switchover(5 * time.Minute), crash(26 * time.Hour)}
	s.Pools[1].Pins = map[string]metrics.PinState{"temporary table": {Clients: 2, Times: 17}}
	s.Pools[3].Error(metrics.ServerLost)
	s.Pools[6].Paused = true
	s.Process.Refuse(metrics.NoRoute)
	m := serve(t, s, work)
	m.hurry = true // so that there is a past
	first := open(t, desktop, m.address())
	first.until("a past", "document.querySelector('#since').textContent.startsWith('up 26 h 2 min')")
	m.change(func(*admin.Snapshot) { m.hurry = false })
	open(t, desktop, m.address()).picture("status-desktop.png")
	open(t, screens[2], m.address()).picture("status-dark.png")
	open(t, screen{"phone", 360, 1240, false}, m.address()).picture("status-phone.png")
	pools := open(t, desktop, m.address())
	pools.until("a list", "document.querySelectorAll('#panel-pools tbody tr').length === 9")
	eval[bool](pools, "document.querySelector('#tabs').scrollIntoView(), true")
	pools.picture("status-pools.png")

	m.change(func(s *admin.Snapshot) {
		f := switchover(1400*time.Millisecond - m.ahead)
		f.From, f.To, f.Epoch, f.ClientsHeld, f.Elected, f.Proved, f.Released, f.Outcomes = "pg1", "pg2", 5, 0, time.Time{}, time.Time{}, time.Time{}, metrics.Outcomes{}
		s.Failovers = append([]metrics.FailoverState{f}, s.Failovers...)
		g := &s.Groups[0]
		g.Leader, g.Held, g.Switchover = "", "no leader", "pg1 to pg2"
		g.Members[0].Role, g.Members[0].State = "replica", "stopping"
		s.NotReady = []string{"main/0: no leader"}
	})
	open(t, desktop, m.address()).picture("status-failover.png")
}

func (r *reader) picture(name string) {
	r.t.Helper()
	r.until("figures", "document.querySelector('#short').textContent.includes('transactions / s') && !document.querySelector('#short').textContent.includes('transactions / s–')")
	r.until("a state", "document.querySelector('#tabs') && document.querySelector('#live').textContent.includes('live') && document.querySelectorAll('tbody tr').length > 8")
	picture := ask(r, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	shown, err := png.Decode(bytes.NewReader(picture.Data))
	if err != nil {
		r.t.Fatal(err)
	}
	var small bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, plain(shown))
	if err == nil {
		err = os.WriteFile(filepath.Join(*screenshots, name), small.Bytes(), 0o644)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// plain has the colours that are there most often, and the nearest of these for the others,
// which are at the edges of letters: a third of the bytes.
func plain(shown image.Image) *image.Paletted {
	times := make(map[color.NRGBA]int)
	bounds := shown.Bounds()
	at := func(x, y int) color.NRGBA { return color.NRGBAModel.Convert(shown.At(x, y)).(color.NRGBA) }
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			times[at(x, y)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(times), func(a, b color.NRGBA) int {
		return cmp.Or(times[b]-times[a], bytes.Compare([]byte{a.R, a.G, a.B}, []byte{b.R, b.G, b.B}))
	})
	out := image.NewPaletted(bounds, nil)
	index := make(map[color.NRGBA]uint8)
	for i, c := range all {
		if i < 256 {
			out.Palette = append(out.Palette, c)
		}
	}
	for _, c := range all {
		index[c] = uint8(out.Palette.Index(c))
	}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			out.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	return out
}
