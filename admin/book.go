package admin

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"portero/metrics"
)

// pastLength is how many samples of each pool are kept, one a second.
const pastLength = 120

// book has the last state in parts, encoded, by which it tells what has changed since; and
// of each pool how many clients have waited of late. It has no lock and no clock.
type book struct {
	number  uint64 // of the state
	head    head
	process []byte
	groups  []byte
	fails   []byte
	rows    map[int][]byte // by id
	order   []int          // of the ids, as pools are sorted

	ids     map[*metrics.Pool]int
	lastID  int
	past    map[int]*past
	sampled time.Time
}

// past is a ring of samples.
type past struct {
	waiting [pastLength]int32
	next, n int
}

func (p *past) add(waiting int) {
	p.waiting[p.next] = int32(waiting)
	p.next = (p.next + 1) % pastLength
	p.n = min(p.n+1, pastLength)
}

// all is oldest first.
func (p *past) all() []int32 {
	if p.n < pastLength {
		return p.waiting[:p.n]
	}
	return slices.Concat(p.waiting[p.next:], p.waiting[:p.next])
}

func newBook() book {
	return book{ids: make(map[*metrics.Pool]int), rows: make(map[int][]byte), past: make(map[int]*past)}
}

// enter takes a state in, and returns as JSON what is another than in the one before.
func (b *book) enter(s *Snapshot) (change []byte, err error) {
	var c state
	c.head = newHead(s)
	b.head = c.head
	for _, part := range []struct {
		value any
		old   *[]byte
		to    *json.RawMessage
	}{
		{newProcessState(s.Process), &b.process, &c.Process},
		{newGroups(s.Groups), &b.groups, &c.Groups},
		{newFailovers(s.Failovers, s.Now), &b.fails, &c.Failovers},
	} {
		now, err := json.Marshal(part.value)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(now, *part.old) {
			*part.old, *part.to = now, now
		}
	}
	if c.Pools, c.Gone, err = b.enterPools(s); err != nil {
		return nil, err
	}
	b.number++
	return json.Marshal(c)
}

func (b *book) enterPools(s *Snapshot) (changed []json.RawMessage, gone []int, err error) {
	changed = []json.RawMessage{}
	rows, ids, sample := make(map[int][]byte, len(s.Pools)), make(map[*metrics.Pool]int, len(s.Pools)), b.samples(s.Now)
	b.order = b.order[:0]
	for _, p := range slices.SortedStableFunc(slices.Values(s.Pools), metrics.ComparePools) {
		id := b.ids[p.Pool]
		if id == 0 {
			b.lastID++
			id = b.lastID
		}
		row, err := json.Marshal(newPool(id, &p, s.Groups))
		if err != nil {
			return nil, nil, err
		}
		if !bytes.Equal(row, b.rows[id]) {
			changed = append(changed, row)
		}
		if b.past[id] == nil {
			b.past[id] = &past{}
		}
		if sample {
			b.past[id].add(p.ClientsWaiting)
		}
		rows[id], ids[p.Pool] = row, id
		b.order = append(b.order, id)
	}
	for _, id := range slices.Sorted(maps.Keys(b.rows)) {
		if rows[id] == nil {
			gone = append(gone, id)
			delete(b.past, id)
		}
	}
	b.rows, b.ids = rows, ids
	return changed, gone, nil
}

// samples reports whether it is time for a sample of each pool. What is older than a break
// is forgotten: it would pass for what has just been.
func (b *book) samples(now time.Time) bool {
	since := now.Sub(b.sampled)
	if since >= 0 && since < feedEvery-2*feedGlance {
		return false
	}
	if since < 0 || since > 3*feedEvery {
		clear(b.past)
	}
	b.sampled = now
	return true
}

// wholeState has beside the state how many clients of each pool have waited.
type wholeState struct {
	state
	Past map[int][]int32 `json:"past"` // clients waiting by id of the pool, one a second, the last one now; those alone that are not all 0
}

// whole is the last state as JSON.
func (b *book) whole() ([]byte, error) {
	w := wholeState{Past: make(map[int][]int32)}
	w.head, w.Process, w.Groups, w.Failovers, w.Pools = b.head, b.process, b.groups, b.fails, []json.RawMessage{}
	for _, id := range b.order {
		w.Pools = append(w.Pools, b.rows[id])
		if all := b.past[id].all(); slices.Max(append(all[:len(all):len(all)], 0)) > 0 {
			w.Past[id] = all
		}
	}
	return json.Marshal(w)
}
