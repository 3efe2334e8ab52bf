package session

import (
	"iter"
	"slices"
	"strings"
)

// statements is what a session knows of prepared ones: the client's, and what is
// under way to make them.
type statements struct {
	reused

	names   *names    // that the client has prepared; nil until there is one
	unnamed Statement // its unnamed one
	waits   bool      // that cannot be made on another server, and nobody has bound it yet
	memory  *Memory   // of the server in use; nil: it is the client's alone, with its names

	group uint32    // number of the requests up to the next Sync
	meant Statement // by the Parse at hand

	probing   bool      // a statement is described to see whether it has the shape that the client knows
	misshapen Statement // it has not
	boundMade *made     // the server's statement that the unnamed portal runs, if it has a name

	repeats   bool // what was asked has been kept, to be asked again if need be
	repeating bool // it will be, once the server is ready
	again     bool // it has been

	rereads bool // something asked since the transaction began may have changed what decides
}

// reused is what of it goes on to the next client.
type reused struct {
	texts  *Texts // of the loop
	limits Limits

	changes changes // of names, of requests that are unanswered
	edit    []byte  // what goes to the server in place of the frame at hand
	moved   []moved // what stands elsewhere in the Query that was sent last
	instead []byte  // the body of an error that the client is told in place of the next

	decisiveOf, decides Settings // what of the settings decides the meaning of a text
}

// empty makes it fit for the next client.
func (a *reused) empty() {
	a.changes.clear()
	if cap(a.edit) > 4096 {
		a.edit = nil
	}
	if a.texts == nil {
		a.texts, a.limits = &Texts{}, usualLimits
	}
	a.moved, a.instead = a.moved[:0], a.instead[:0]
}

// names are the prepared statements that a client has under names, from its first
// one to its end; nil before. They belong to the client's loop.
type names struct {
	list  []meaning            // while they are few, in no order: that costs a third of a map, and no more time
	of    map[string]Statement // from then on; nil before
	only  int                  // how many cannot be made on another server
	size  int                  // bytes of names and texts, those too that others have
	texts *Texts               // of the loop
}

// meaning is what a name means.
type meaning struct {
	name string
	st   Statement
}

// fewNames is how many are in a list.
const fewNames = 8

// get is the statement of a name; of none if n is nil.
func (n *names) get(name []byte) (st Statement, ok bool) {
	if n == nil {
		return st, false
	}
	name = cutName(name)
	if n.of != nil {
		st, ok = n.of[string(name)]
		return st, ok
	}
	for i := range n.list {
		if m := &n.list[i]; m.name == string(name) {
			return m.st, true
		}
	}
	return st, false
}

func (n *names) len() int {
	if n == nil {
		return 0
	}
	return max(len(n.list), len(n.of))
}

// bytes is how much the client keeps, in bytes of names and texts.
func (n *names) bytes() int {
	if n == nil {
		return 0
	}
	return n.size
}

// stuck reports whether one of them cannot be made on another server.
func (n *names) stuck() bool { return n != nil && n.only > 0 }

// all yields them in no order. Those that are there may get another meaning meanwhile.
func (n *names) all() iter.Seq2[string, Statement] {
	return func(yield func(string, Statement) bool) {
		if n == nil {
			return
		}
		for i := range n.list {
			if !yield(n.list[i].name, n.list[i].st) {
				return
			}
		}
		for name, st := range n.of {
			if !yield(name, st) {
				return
			}
		}
	}
}

// sorted are all of them by name.
func (n *names) sorted() (all []meaning) {
	for name, st := range n.all() {
		all = append(all, meaning{name, st})
	}
	slices.SortFunc(all, func(a, b meaning) int { return strings.Compare(a.name, b.name) })
	return all
}

// set gives a name a meaning.
func (n *names) set(name string, st Statement) {
	if old, had := n.get([]byte(name)); had {
		n.count(name, old, -1)
		n.texts.letGo(old)
	}
	n.put(name, st)
	n.count(name, st, 1)
	n.texts.hold(st)
}

// put keeps a meaning, in a map where they are many.
func (n *names) put(name string, st Statement) {
	if i := n.place(name); i >= 0 {
		n.list[i].st = st
		return
	}
	if n.of == nil && len(n.list) < fewNames {
		n.list = append(n.list, meaning{name, st})
		return
	}
	if n.of == nil {
		n.of = make(map[string]Statement, 2*fewNames)
		for _, m := range n.list {
			n.of[m.name] = m.st
		}
		n.list = nil
	}
	n.of[name] = st
}

// place is where a name is in the list; -1 if it is not.
func (n *names) place(name string) int {
	return slices.IndexFunc(n.list, func(m meaning) bool { return m.name == name })
}

// remove takes its meaning from a name, if it has one.
func (n *names) remove(name string) {
	st, ok := n.get([]byte(name))
	if !ok {
		return
	}
	if i := n.place(name); i >= 0 {
		n.list = slices.Delete(n.list, i, i+1)
	}
	delete(n.of, name)
	n.count(name, st, -1)
	n.texts.letGo(st)
}

func (n *names) count(name string, st Statement, by int) {
	n.size += by * (len(name) + st.size())
	if st.isOnly() {
		n.only += by
	}
}

// clear takes its meaning from each name.
func (n *names) clear() {
	if n == nil {
		return
	}
	for _, m := range n.list {
		n.texts.letGo(m.st)
	}
	for _, st := range n.of {
		n.texts.letGo(st)
	}
	*n = names{texts: n.texts}
}
