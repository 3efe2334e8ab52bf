package proxy

import (
	"encoding/binary"
	"testing"
)

func TestAKeyFindsItsClientAndNoOther(t *testing.T) {
	var r registry
	r.init()
	key := func(c *client) (uint32, []byte) { return c.pid(), binary.BigEndian.AppendUint32(nil, c.secret) }
	var all []*client
	for i := range 8 {
		c := &client{}
		r.add(c)
		if i%2 == 0 {
			c.secret = 7 // of another host's client, by chance
			r.tie(c, uint32(1000+i/4))
		}
		all = append(all, c)
	}
	for _, c := range all {
		if r.find(key(c)) != c {
			t.Errorf("client %d is not found by its key", c.id)
		}
	}
	_, secret := key(all[0])
	if c := r.find(noBackend+all[0].id, secret); c != nil {
		t.Error("a client is found by a key that it was not told")
	}
	for i, c := range all {
		r.remove(c)
		if r.find(key(c)) != nil {
			t.Errorf("client %d has gone, and is found", c.id)
		}
		for _, left := range all[i+1:] {
			if r.find(key(left)) != left {
				t.Errorf("client %d is not found any more", left.id)
			}
		}
	}
	if r.byID.n+len(r.byBackend) != 0 {
		t.Errorf("%d and %d are left", r.byID.n, len(r.byBackend))
	}
}
