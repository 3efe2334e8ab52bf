package session

// expectations is the ring of what has been asked of a server and not been
// answered, oldest first. An entry is the type byte of the request; it leaves
// when its last answer has come:
//
//	P B C    ParseComplete, BindComplete, CloseComplete
//	D        RowDescription or NoData
//	E        CommandComplete, EmptyQueryResponse or PortalSuspended
//	Q F S    ReadyForQuery
//	c        nothing: marks where a CopyDone or CopyFail stands in the stream
type expectations struct {
	buf  []byte // length is a power of two
	head int
	n    int
}

func (e *expectations) empty() bool { return e.n == 0 }
func (e *expectations) len() int    { return e.n }

func (e *expectations) push(t byte) {
	if e.n == len(e.buf) {
		e.grow()
	}
	e.buf[(e.head+e.n)&(len(e.buf)-1)] = t
	e.n++
}

func (e *expectations) grow() {
	buf := make([]byte, max(16, 2*len(e.buf)))
	for i := range e.n {
		buf[i] = e.at(i)
	}
	e.buf, e.head = buf, 0
}

func (e *expectations) at(i int) byte { return e.buf[(e.head+i)&(len(e.buf)-1)] }

// first is the oldest entry, 0 when there is none.
func (e *expectations) first() byte {
	if e.n == 0 {
		return 0
	}
	return e.buf[e.head]
}

// pop removes the oldest entry and the markers behind it.
func (e *expectations) pop() {
	e.drop()
	e.trim()
}

func (e *expectations) drop() {
	e.head = (e.head + 1) & (len(e.buf) - 1)
	e.n--
}

// trim removes markers whose COPY never was.
func (e *expectations) trim() {
	for e.first() == 'c' {
		e.drop()
	}
}

// skipToSync removes what a server will not answer after an error in the
// extended protocol. It reports whether a Sync ends the skipping already.
func (e *expectations) skipToSync() bool {
	for e.n > 0 && e.first() != 'S' {
		e.drop()
	}
	return e.n > 0
}

// copyBegins is called when the oldest request turns out to be a COPY from
// the client: a server ignores the Syncs that come before the end of its data.
// It reports whether that end has been sent already, and whether there were
// such Syncs.
func (e *expectations) copyBegins() (ended, early bool) {
	n := 1
	for i := 1; i < e.n; i++ {
		t := e.at(i)
		switch {
		case ended:
		case t == 'c':
			ended = true
			continue
		case t == 'S':
			early = true
			continue
		}
		e.buf[(e.head+n)&(len(e.buf)-1)] = t
		n++
	}
	e.n = n
	return ended, early
}

// clear forgets everything and gives up a buffer that a burst has grown.
func (e *expectations) clear() {
	e.head, e.n = 0, 0
	if len(e.buf) > 1024 {
		e.buf = nil
	}
}
