package proxy

import (
	"maps"
	"slices"
)

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
