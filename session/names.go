package session

// names are the prepared statements that a client has under names, from its first
// one to its end; nil before. They belong to the client's loop.
type names struct {
	of    map[string]Statement
	only  int    // how many cannot be made on another server
	size  int    // bytes of names and texts, those too that others have
	texts *Texts // of the loop
}

// get is the statement of a name; of none if n is nil.
func (n *names) get(name []byte) (st Statement, ok bool) {
	if n == nil {
		return st, false
	}
	st, ok = n.of[string(cutName(name))]
	return st, ok
}

func (n *names) len() int {
	if n == nil {
		return 0
	}
	return len(n.of)
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

// all yields them in no order.
func (n *names) all() map[string]Statement {
	if n == nil {
		return nil
	}
	return n.of
}

// set gives a name a meaning.
func (n *names) set(name string, st Statement) {
	if old, had := n.of[name]; had {
		n.count(name, old, -1)
		n.texts.letGo(old)
	}
	n.of[name] = st
	n.count(name, st, 1)
	n.texts.hold(st)
}

// remove takes its meaning from a name, if it has one.
func (n *names) remove(name string) {
	st, ok := n.of[name]
	if !ok {
		return
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
	for name := range n.of {
		n.remove(name)
	}
}
