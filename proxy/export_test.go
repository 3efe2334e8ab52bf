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

// Unhinge takes from the first door what it needs to let anybody in, or gives it back.
func (p *Proxy) Unhinge(off bool) {
	l := p.listeners[0]
	d, done := l.Listener.(*door), make(chan struct{})
	d.on.Post(func() {
		if d.l = l; off {
			d.l = nil
		}
		close(done)
	})
	<-done
}

// BeginNowhere begins a handshake that has no loop, and returns the panic that comes of it.
func (p *Proxy) BeginNowhere(fd int) (v any) {
	defer func() { v = recover() }()
	at := &porch{number: fd}
	at.sock.Adopt(fd, at)
	c := p.gate.admit(p.ctx, at)
	p.handshakes.Add(1)
	p.newHandshake(p.listeners[0], c, at).begin()
	return nil
}
