package proxy

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The table of clients is compared with a map: numbers in a row as they are given out, and any.
func TestClientsAreFoundByTheirNumbers(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	var table numbered
	model := make(map[uint32]*client)
	last := uint32(0)
	compare := func(id uint32) {
		if table.get(id) != model[id] {
			t.Fatalf("number %d: got %p, want %p", id, table.get(id), model[id])
		}
	}
	for step := range 60_000 {
		grows := step/15_000%2 == 0
		switch {
		case grows && chance.IntN(4) > 0 || len(model) == 0:
			if last++; chance.IntN(10) == 0 {
				last = chance.Uint32()
			}
			if model[last] == nil {
				model[last] = &client{id: last}
				table.put(model[last])
			}
			compare(last)
		default:
			for id, c := range model {
				table.remove(c)
				delete(model, id)
				compare(id)
				break
			}
		}
		compare(chance.Uint32())
	}
	var got []uint32
	for c := range table.all {
		got = append(got, c.id)
		if model[c.id] != c {
			t.Fatalf("client %d is not in the model", c.id)
		}
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != len(model) || table.n != len(model) {
		t.Errorf("%d clients, %d are counted, want %d", len(got), table.n, len(model))
	}
	for _, c := range model {
		compare(c.id)
		table.remove(c)
	}
	if table.n != 0 {
		t.Errorf("%d are left", table.n)
	}
	table.remove(&client{id: 7}) // of whom it knows nothing
}

func TestTheTableOfClientsTakesFewBytes(t *testing.T) {
	var table numbered
	for id := range uint32(10_000) {
		table.put(&client{id: id + 1})
		if id < 1000 {
			continue
		}
		slots := 0
		for i := range table.tables {
			slots += len(table.tables[i].slots)
		}
		if each := 8 * slots / table.n; each > 14 {
			t.Fatalf("%d bytes each of %d clients", each, table.n)
		}
	}
}
