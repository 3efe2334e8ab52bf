package loop

import (
	"net"
	"testing"
	"time"
)

func TestWatchTurnsReadingOnAndOffButNotTheNewsOfTheEnd(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adopt(t, l)
	do(t, l, func() { p.sock.Watch(false) })
	far.Write([]byte("hello"))
	settle(t, l)
	do(t, l, func() {
		if p.ev != 0 {
			t.Errorf("events %b while reading was off", p.ev)
		}
		p.sock.Watch(true)
	})
	waitFor(t, l, p, Readable)
	do(t, l, func() { p.sock.Watch(false); p.ev = 0 })
	far.Close()
	waitFor(t, l, p, Closed)
	do(t, l, p.sock.Close)
}

func TestAMutedSocketIsSilentWhateverHappens(t *testing.T) {
	for name, end := range map[string]func(c *net.TCPConn){
		"close": func(c *net.TCPConn) { c.Close() },
		"reset": func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
	} {
		l := startLoop(t, 0)
		p, far := adopt(t, l)
		do(t, l, p.sock.Mute)
		far.Write([]byte("last words"))
		end(far.(*net.TCPConn))
		settle(t, l)
		do(t, l, func() {
			if p.seen != 0 {
				t.Errorf("%s: %d events", name, p.seen)
			}
			p.sock.Watch(true)
		})
		waitFor(t, l, p, Readable)
		do(t, l, p.sock.Close)
	}
}

// A reset cannot be masked in epoll: a socket that is still being written to
// must be given up by the first failed write, or the loop would turn for ever.
func TestAResetWithBytesPendingDoesNotMakeTheLoopSpin(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adopt(t, l)
	do(t, l, func() {
		p.task = l.Start(runnerFunc(func(task *Task) {
			for {
				task.Park()
				p.sock.Flush()
				p.sock.Mute()
			}
		}))
		p.sock.Write(make([]byte, 32<<20))
	})
	far.(*net.TCPConn).SetLinger(0)
	far.Close()
	eventually(t, "the write has failed", func() bool {
		var broken error
		do(t, l, func() {
			if x := p.sock.beyond; x != nil {
				broken = x.broken
			}
		})
		return broken != nil
	})
	before := 0
	do(t, l, func() { before = p.seen })
	settle(t, l)
	do(t, l, func() {
		if p.seen > before+1 {
			t.Errorf("%d events after the failure", p.seen-before)
		}
		p.sock.Close()
	})
}

// settle lets the loop take a good number of turns.
func settle(t testing.TB, l *Loop) {
	t.Helper()
	end := time.Now().Add(50 * time.Millisecond)
	for time.Now().Before(end) {
		do(t, l, func() {})
	}
}

func waitFor(t testing.TB, l *Loop, p *peer, ev Events) {
	t.Helper()
	eventually(t, "an event", func() bool {
		var got Events
		do(t, l, func() { got = p.ev })
		return got&ev == ev
	})
}
