package session

// request is what a client has asked and a server has not answered. It leaves
// the ring when its last answer has come:
//
//	P B C    ParseComplete, BindComplete, CloseComplete
//	D        RowDescription or NoData
//	E        CommandComplete, EmptyQueryResponse or PortalSuspended
//	Q F S    ReadyForQuery
//	c        nothing: marks where a CopyDone or CopyFail stands in the stream
type request struct {
	t        byte // of the message
	kind     kind // of the statement, where there is one; of a script's first
	explicit bool // an error as the server's last word does not undo all that it did
	marks    marks
	effect   effect // on the transaction
	script   uint32 // number of its script in the ring, if it is a Query of several statements; else 0
}

func (q *request) several() bool { return q.script != 0 }

// marks are facts about a request.
type marks uint8

const (
	ofStatement marks = 1 << iota // a Describe of a statement, not of a portal
	skipped                       // our own: the client is not told of the answer
	pending                       // a change of names takes hold with it
	identifies                    // our own question for the transaction
	ahead                         // our own, and the client's bytes go behind it: see ahead.go
)

func (q *request) is(m marks) bool { return q.marks&m != 0 }

// alone is a request that runs nothing by itself.
func alone(t byte) request { return request{t: t, kind: kindEmpty, effect: unchanged} }

// sync is a Sync.
func syncRequest() request { return request{t: 'S', kind: kindEmpty, explicit: true, effect: closing} }

// execute is an Execute of a statement, or a FunctionCall or a Query of one.
func execute(t byte, k kind) request {
	r := request{t: t, kind: k, explicit: k.explicit(), effect: ofKind[k]}
	if t != 'E' {
		r.effect = ofQuery[k]
	}
	return r
}

// fails is called where it is sure that the request will fail.
func (q *request) fails() {
	q.explicit, q.effect = false, effect{}
	if !q.stops() {
		q.effect = failing
	}
}

// ring is all unanswered requests, oldest first.
type ring struct {
	buf     []request // length is a power of two
	head    int
	n       int
	scripts [][]kind // of the Queries of several statements, in their order: the statements that have not completed
	oldest  uint32   // number of the first of scripts
}

// pushScript is push for a Query of several statements.
func (r *ring) pushScript(q request, kinds []kind) {
	if len(r.scripts) == 0 {
		r.scripts, r.oldest = r.scripts[:0], 1
	}
	q.script = r.oldest + uint32(len(r.scripts))
	r.push(q)
	r.scripts = append(r.scripts, kinds)
}

func (r *ring) empty() bool { return r.n == 0 }
func (r *ring) len() int    { return r.n }

func (r *ring) push(q request) {
	if r.n == len(r.buf) {
		r.grow()
	}
	*r.at(r.n) = q
	r.n++
}

// pushFirst puts a request before all others.
func (r *ring) pushFirst(q request) {
	if r.n == len(r.buf) {
		r.grow()
	}
	r.head = (r.head - 1) & (len(r.buf) - 1)
	r.n++
	*r.at(0) = q
}

// scriptOf is the kinds of the statements of a request of the ring that have not
// completed; nil if it is no Query of several.
func (r *ring) scriptOf(q *request) []kind {
	if !q.several() {
		return nil
	}
	return r.scripts[q.script-r.oldest]
}

func (r *ring) grow() {
	buf := make([]request, max(16, 2*len(r.buf)))
	for i := range r.n {
		buf[i] = *r.at(i)
	}
	r.buf, r.head = buf, 0
}

// last is the request that was asked last.
func (r *ring) last() *request { return r.at(r.n - 1) }

// pushBeforeLast puts a request before the one that was asked last.
func (r *ring) pushBeforeLast(q request) {
	r.push(*r.last())
	*r.at(r.n - 2) = q
}

// at is the i-th request; valid until the ring changes.
func (r *ring) at(i int) *request { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

// isOurs reports whether nothing of the client is in it, but something of our own.
func (r *ring) isOurs() bool {
	for i := range r.n {
		if !r.at(i).is(skipped) {
			return false
		}
	}
	return r.n > 0
}

// first is the type of the oldest request, 0 when there is none.
func (r *ring) first() byte {
	if r.n == 0 {
		return 0
	}
	return r.buf[r.head].t
}

// pop removes the oldest request and the markers behind it.
func (r *ring) pop() {
	r.drop()
	r.trim()
}

func (r *ring) drop() {
	if r.at(0).several() {
		r.scripts = r.scripts[1:]
		r.oldest++
	}
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
}

// trim removes markers whose COPY never was.
func (r *ring) trim() {
	for r.first() == 'c' {
		r.drop()
	}
}

// skipToSync removes what a server will not answer after an error in the
// extended protocol. It reports how many requests of these were to change names, and
// whether a Sync ends the skipping already.
func (r *ring) skipToSync() (changes int, ends bool) {
	for r.n > 0 && r.first() != 'S' {
		if r.at(0).is(pending) {
			changes++
		}
		r.drop()
	}
	return changes, r.n > 0
}

// copyBegins is called when the oldest request turns out to be a COPY from
// the client: a server ignores the Syncs that come before the end of its data.
// It reports whether that end has been sent already, and whether there were
// such Syncs.
func (r *ring) copyBegins() (ended, early bool) {
	n := 1
	for i := 1; i < r.n; i++ {
		q := *r.at(i)
		switch {
		case ended:
		case q.t == 'c':
			ended = true
			continue
		case q.t == 'S':
			early = true
			continue
		}
		*r.at(n) = q
		n++
	}
	r.n = n
	return ended, early
}

// maxKept is the length up to which an empty ring keeps its memory, some 10 kB.
const maxKept = 1024

// clear forgets everything and gives up a buffer that a burst has grown.
func (r *ring) clear() {
	r.head, r.n, r.scripts = 0, 0, nil
	if len(r.buf) > maxKept {
		r.buf = nil
	}
}
