package loop

import "errors"

// A loop that has several sockets to serve in a turn collects the short messages that they send
// and hands them to the kernel together, when the turn ends or so many have come: one system
// call through a ring, where each would be one of its own. Where the kernel has no ring for us,
// each is sent at once.
//
// Nothing of a socket overtakes what was collected of it: before it sends another way, moves or
// is closed, what was collected is sent.

const (
	collectedAtMost = 16       // messages; the first of them has waited for the others
	collectedBytes  = 32 << 10 // of all of them
	shortMessage    = 4 << 10  // longer ones go at once
)

// outgoing is what a loop has collected.
type outgoing struct {
	ring     *ring // nil: nothing is collected
	several  bool  // the turn has more than one to serve
	messages []message
	text     []byte
}

// message is the part of text that goes to a socket.
type message struct {
	to         *Socket
	begin, end int
}

// open has the loop collect from now on, if the kernel lets it.
func (o *outgoing) open() error {
	r, err := newRing(collectedAtMost)
	if err != nil {
		return err
	}
	o.ring = r
	o.messages = make([]message, 0, collectedAtMost)
	o.text = make([]byte, 0, collectedBytes)
	return nil
}

func (o *outgoing) close() {
	if o.ring != nil {
		o.ring.close()
		o.ring = nil
	}
}

// takes collects b for s; false: b is to be sent at once, and so was all that was collected
// for s.
func (o *outgoing) takes(s *Socket, b []byte) bool {
	if s.collected > 0 {
		if m := &o.messages[s.collected-1]; m.end == len(o.text) && m.end-m.begin+len(b) <= shortMessage && o.fits(b) {
			o.text = append(o.text, b...)
			m.end = len(o.text)
			return true
		}
		o.send()
		return false
	}
	if !o.several || o.ring == nil || len(b) > shortMessage || len(b) == 0 {
		return false
	}
	if len(o.messages) == collectedAtMost || !o.fits(b) {
		o.send()
	}
	begin := len(o.text)
	o.text = append(o.text, b...)
	o.messages = append(o.messages, message{s, begin, len(o.text)})
	s.collected = uint16(len(o.messages))
	return true
}

func (o *outgoing) fits(b []byte) bool { return len(o.text)+len(b) <= collectedBytes }

// send sends what was collected.
func (o *outgoing) send() {
	switch len(o.messages) {
	case 0:
		return
	case 1: // a ring would be the longer way
		o.sendAlone(&o.messages[0])
	default:
		o.sendTogether()
	}
	clear(o.messages)
	o.messages, o.text = o.messages[:0], o.text[:0]
}

func (o *outgoing) sendAlone(m *message) {
	m.to.collected = 0
	m.to.sendNow(o.text[m.begin:m.end]) //nolint:errcheck // the next Write says it again
	m.to.tellOwner()
}

func (o *outgoing) sendTogether() {
	for i, m := range o.messages {
		o.ring.put(i, m.to.fd, o.text[m.begin:m.end])
	}
	taken := o.ring.submit(len(o.messages), o.sent)
	for i := range o.messages {
		switch m := &o.messages[i]; {
		case m.to.collected == 0:
		case i >= taken:
			o.sendAlone(m)
		default: // nobody knows what has become of it
			m.to.collected = 0
			m.to.fail(errRing) //nolint:errcheck // likewise
			m.to.tellOwner()
		}
	}
}

// errRing is that of a message of which the kernel does not say whether it has sent it. No kernel is
// known to do so.
var errRing = errors.New("io_uring: a request has no result")

// sent is told what has come of a message.
func (o *outgoing) sent(i int, result int32) {
	m := &o.messages[i]
	if result < 0 { // nothing was sent; the socket itself says whether that is its own fault
		o.sendAlone(m)
		return
	}
	m.to.collected = 0
	if n := int(result); n < m.end-m.begin {
		m.to.took(o.text[m.begin:m.end], n, nil) //nolint:errcheck // likewise
		m.to.tellOwner()
	}
}

// tellOwner has the owner look at the socket again if it did not take all that was collected of it:
// he has seen it when nothing was pending, and nothing wrong with it.
func (s *Socket) tellOwner() {
	var ev Events
	switch {
	case s.beyond == nil:
		return
	case s.beyond.broken != nil:
		ev = Readable
	}
	l, fd := s.loop, int(s.fd)
	l.Post(func() {
		if l.known(fd) == s {
			s.handler.Ready(l, ev)
		}
	})
}

// SendCollected sends at once what the loop has collected in this turn for the socket; what the
// kernel does not take is pending then. For who hands the socket on, on the loop.
func (s *Socket) SendCollected() {
	if s.collected > 0 {
		s.loop.outgoing.send()
	}
}
