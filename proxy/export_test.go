package proxy

import (
	"maps"
	"slices"

	"portero/loop"
)

// ByNumber has clients go to the loop with the fewest, so that a test knows where each is.
func (p *Proxy) ByNumber() {
	p.choose = func() *loop.Loop {
		return slices.MinFunc(p.loops, func(a, b *loop.Loop) int {
			return int(p.stations[a.ID].load.Clients.Load() - p.stations[b.ID].load.Clients.Load())
		})
	}
}

// Send has a loop send clients to another, as the balance does.
func (p *Proxy) Send(from, to, n int) { p.send(order{from, to, n}) }

// Texts is how many bytes of statements' texts clients have.
func (p *Proxy) Texts() int64 { return p.texts.Load() }

// Cut cuts one client, as Shutdown does with those that have not ended in time.
// It has posted that to the client's loop when it returns.
func (p *Proxy) Cut(id uint32, secret []byte) { p.clients.find(id, secret).cut() }

// Drain begins to drain the proxy with one client, as Shutdown does with all.
func (p *Proxy) Drain(id uint32, secret []byte) {
	p.draining.Store(true)
	p.clients.find(id, secret).drain()
}

// Encodings are the encodings that notifications are converted to.
func Encodings() []string { return slices.Sorted(maps.Keys(encodings)) }

// Encode is a text in an encoding.
func Encode(text, name string) string { return convert(text, encodings["UTF8"], encodings[name]) }
