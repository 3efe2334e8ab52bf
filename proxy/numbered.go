package proxy

// numbered finds clients by their numbers. Each knows its own, so that pointers are all that is
// kept: some 12 bytes per client, where a map takes 33. There are many small tables (open
// addressing, linear probing), as one that grows is filled anew while the registry is locked.
type numbered struct {
	tables [64]table
	n      int
}

type table struct {
	slots []*client // nil: free
	n     int
}

func (t *numbered) of(id uint32) *table { return &t.tables[id%uint32(len(t.tables))] }

// get returns the client of a number, nil if there is none.
func (t *numbered) get(id uint32) *client {
	in := t.of(id)
	if in.n == 0 {
		return nil
	}
	return in.slots[in.find(id)]
}

// put adds a client whose number nobody has.
func (t *numbered) put(c *client) {
	in := t.of(c.id)
	if 5*(in.n+1) > 4*len(in.slots) {
		in.resize(len(in.slots) + max(8, len(in.slots)/4))
	}
	in.slots[in.find(c.id)] = c
	in.n++
	t.n++
}

// remove takes c out, if it is in.
func (t *numbered) remove(c *client) {
	in := t.of(c.id)
	if in.n == 0 {
		return
	}
	i := in.find(c.id)
	if in.slots[i] != c {
		return
	}
	in.clear(i)
	in.n--
	t.n--
	if len(in.slots) > 32 && 3*in.n < len(in.slots) {
		in.resize(len(in.slots) / 2)
	}
}

// all yields every client.
func (t *numbered) all(yield func(*client) bool) {
	for i := range t.tables {
		for _, c := range t.tables[i].slots {
			if c != nil && !yield(c) {
				return
			}
		}
	}
}

// home is where a client of such a number belongs. Numbers that follow each other are spread
// evenly (Fibonacci hashing).
func (in *table) home(id uint32) int {
	return int(uint64(id*0x9E3779B9) * uint64(len(in.slots)) >> 32)
}

func (in *table) next(i int) int {
	if i++; i < len(in.slots) {
		return i
	}
	return 0
}

// find is the place of a number: its client's, or the free one where it would be. Some are
// always free.
func (in *table) find(id uint32) int {
	i := in.home(id)
	for in.slots[i] != nil && in.slots[i].id != id {
		i = in.next(i)
	}
	return i
}

// clear frees a place, and moves those up that stand behind it because it was taken.
func (in *table) clear(free int) {
	in.slots[free] = nil
	for i := in.next(free); in.slots[i] != nil; i = in.next(i) {
		c := in.slots[i]
		in.slots[i] = nil
		in.slots[in.find(c.id)] = c
	}
}

func (in *table) resize(size int) {
	before := in.slots
	in.slots = make([]*client, size)
	for _, c := range before {
		if c != nil {
			in.slots[in.find(c.id)] = c
		}
	}
}
