package pool

import (
	"cmp"
	"slices"
)

// newcomers are claims that were kept from a server that was there for them, as their origins
// are not inside. They come in in the order of their coming, over all pools; but nobody waits
// behind a pool that has no server to give. Guarded by the bank's mu.
type newcomers struct {
	halls []hall              // by pages
	of    map[origin][]*Claim // the same claims by whom they are for
	turns uint64              // given out so far
}

// hall is where the newcomers of one pool wait.
type hall struct {
	claims []*Claim // by their turns
	shut   bool     // the pool had no server to give when it was last looked at
}

// add gives a claim the last turn of all.
func (n *newcomers) add(c *Claim) {
	n.turns++
	c.turn = n.turns
	h := &n.halls[c.pool.page]
	h.claims = append(h.claims, c)
	n.of[c.origin] = append(n.of[c.origin], c)
}

func (n *newcomers) remove(c *Claim) {
	h := &n.halls[c.pool.page]
	i, _ := slices.BinarySearchFunc(h.claims, c.turn, func(o *Claim, turn uint64) int { return cmp.Compare(o.turn, turn) })
	h.claims = slices.Delete(h.claims, i, i+1)
	others := slices.DeleteFunc(n.of[c.origin], func(o *Claim) bool { return o == c })
	if n.of[c.origin] = others; len(others) == 0 {
		delete(n.of, c.origin)
	}
}

// first is the one whose turn it is; nil if nobody waits where there is a server.
func (n *newcomers) first() (first *Claim) {
	for i := range n.halls {
		if h := &n.halls[i]; !h.shut && len(h.claims) > 0 && (first == nil || h.claims[0].turn < first.turn) {
			first = h.claims[0]
		}
	}
	return first
}

// called appends to a list those of a pool who may be let in: the first of its hall, and those
// whose origins have come in meanwhile by another pool.
func (a *bank) called(p *Pool, list []*Claim) []*Claim {
	a.mu.Lock()
	defer a.mu.Unlock()
	for who := range a.ledger.inside {
		for _, c := range a.newcomers.of[who] {
			if c.pool == p {
				list = append(list, c)
			}
		}
	}
	slices.SortFunc(list, func(x, y *Claim) int { return cmp.Compare(x.turn, y.turn) })
	if h := &a.newcomers.halls[p.page]; len(h.claims) > 0 && !slices.Contains(list, h.claims[0]) {
		list = append(list, h.claims[0])
	}
	return list
}
