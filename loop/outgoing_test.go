package loop

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// collecting has the rest of the turn be one that collects.
func collecting(l *Loop) { l.outgoing.several = true }

// withAndWithoutRing runs a test on a loop as the kernel gives it, and on one without a ring.
func withAndWithoutRing(t *testing.T, test func(t *testing.T, l *Loop)) {
	t.Run("as the kernel has it", func(t *testing.T) { test(t, startLoop(t, 0)) })
	t.Run("without a ring", func(t *testing.T) {
		l := startLoop(t, 0)
		do(t, l, l.outgoing.close)
		test(t, l)
	})
}

// received reads so many bytes of a peer.
func received(t *testing.T, far net.Conn, n int) string {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(far, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWhatATurnSendsHasComeWhenItIsOver(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T, l *Loop) {
		const n = 3 * collectedAtMost
		peers, fars := make([]*peer, n), make([]net.Conn, n)
		for i := range n {
			peers[i], fars[i] = adopt(t, l)
		}
		do(t, l, func() {
			collecting(l)
			for i, p := range peers {
				for part := range 3 {
					if err := p.sock.Write(fmt.Appendf(nil, "%02d-%d;", i, part)); err != nil {
						t.Error(err)
					}
				}
			}
		})
		for i, far := range fars {
			if got, want := received(t, far, 15), fmt.Sprintf("%02d-0;%02d-1;%02d-2;", i, i, i); got != want {
				t.Errorf("client %d got %q, not %q", i, got, want)
			}
		}
	})
}

// What is collected must not be overtaken, whatever is done to its socket next.
func TestNothingOvertakesWhatWasCollected(t *testing.T) {
	long := bytes.Repeat([]byte("l"), 2*shortMessage)
	for _, c := range []struct {
		name string
		then func(t *testing.T, s *Socket, other *Loop)
		more string
	}{
		{"a long message", func(_ *testing.T, s *Socket, _ *Loop) { s.Write(long) }, string(long)},
		{"another's message in between", func(_ *testing.T, s *Socket, _ *Loop) { s.Write([]byte("two")) }, "two"},
		{"its close", func(_ *testing.T, s *Socket, _ *Loop) { s.Close() }, ""},
		{"the end of what it sends", func(_ *testing.T, s *Socket, _ *Loop) { s.CloseWrite() }, ""},
		{"a move", func(_ *testing.T, s *Socket, other *Loop) {
			s.Leave()
			other.Post(func() {
				s.Attach(other)
				s.Write([]byte("there"))
			})
		}, "there"},
		{"another owner", func(_ *testing.T, s *Socket, _ *Loop) {
			var heir Socket
			heir.TakeOver(s, s.handler)
			heir.Write([]byte("heir"))
			heir.Close()
		}, "heir"},
		{"its descriptor's life elsewhere", func(_ *testing.T, s *Socket, _ *Loop) {
			fd := s.Detach()
			unix.Write(fd, []byte("raw"))
			unix.Close(fd)
		}, "raw"},
	} {
		t.Run(c.name, func(t *testing.T) {
			withAndWithoutRing(t, func(t *testing.T, l *Loop) {
				p, far := adopt(t, l)
				q, _ := adopt(t, l)
				other := startLoop(t, 1)
				do(t, l, func() {
					collecting(l)
					p.sock.Write([]byte("one"))
					q.sock.Write([]byte("noise"))
					c.then(t, &p.sock, other)
				})
				if got, want := received(t, far, 3+len(c.more)), "one"+c.more; got != want {
					t.Errorf("got %d bytes, not %d in their order", len(got), len(want))
				}
			})
		})
	}
}

func TestWhatTheKernelDoesNotTakeOfTheCollectedIsPending(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adopt(t, l)
	q, _ := adopt(t, l)
	sent := 0
	do(t, l, func() {
		p.task = l.Start(runnerFunc(func(task *Task) {
			for p.sock.Pending() > 0 {
				task.Park()
				p.sock.Flush()
			}
		}))
		for p.sock.Pending() == 0 {
			collecting(l)
			p.sock.Write(bytes.Repeat([]byte{byte(sent)}, 1000))
			q.sock.Write([]byte("x"))
			l.outgoing.send()
			sent++
		}
		if p.sock.interest&unix.EPOLLOUT == 0 {
			t.Error("nobody waits until more can be sent")
		}
		p.sock.Write([]byte("end"))
	})
	all := received(t, far, sent*1000+3)
	for i := range sent * 1000 {
		if all[i] != byte(i/1000) {
			t.Fatalf("byte %d is %d, not %d", i, all[i], byte(i/1000))
		}
	}
	if all[sent*1000:] != "end" {
		t.Errorf("at the end %q", all[sent*1000:])
	}
}

// An owner who parks sees nothing pending as long as it is collected only.
func TestTheOwnerIsToldWhenTheKernelDoesNotTakeAll(t *testing.T) {
	l := startLoop(t, 0)
	p, _ := adopt(t, l)
	q, _ := adopt(t, l)
	do(t, l, func() {
		for p.sock.Pending() == 0 {
			p.sock.sendNow(make([]byte, 1000))
		}
		for p.sock.Pending() > 0 { // as if it had just taken all
			p.sock.dropPending()
		}
		p.seen = 0
		collecting(l)
		p.sock.Write([]byte("more"))
		q.sock.Write([]byte("x"))
		if p.sock.Pending() != 0 {
			t.Error("something is pending before it was tried")
		}
	})
	eventually(t, "the owner is told", func() (told bool) {
		do(t, l, func() { told = p.seen != 0 })
		return told
	})
	do(t, l, func() {
		if p.sock.Pending() != 4 {
			t.Errorf("%d bytes are pending", p.sock.Pending())
		}
	})
}

func TestABrokenPeerBreaksNobodyElsesCollectedMessage(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T, l *Loop) {
		broken, gone := adopt(t, l)
		well, far := adopt(t, l)
		gone.(*net.TCPConn).SetLinger(0)
		gone.Close()
		eventually(t, "the reset is seen", func() (seen bool) {
			do(t, l, func() {
				_, err := broken.sock.Read(l.Scratch())
				seen = isReset(err)
			})
			return seen
		})
		do(t, l, func() {
			collecting(l)
			broken.sock.Write([]byte("nobody reads it"))
			well.sock.Write([]byte("well"))
		})
		if got := received(t, far, 4); got != "well" {
			t.Errorf("got %q", got)
		}
		do(t, l, func() {
			if err := broken.sock.Write([]byte("more")); !isReset(err) {
				t.Errorf("the next write: %v", err)
			}
			if broken.sock.collected != 0 || broken.sock.Pending() != 0 {
				t.Error("something is kept for a peer that is gone")
			}
		})
	})
}

// Random writes, closes and moves of several sockets, of which each peer gets what was written to
// it, in order.
func TestCollectedStreamsAreWhatWasWritten(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T, l *Loop) {
		const n = 6
		random := rand.New(rand.NewPCG(1, 2))
		var socks [n]*peer
		var fars [n]net.Conn
		var want, got [n]bytes.Buffer
		read := make(chan int, n)
		for i := range n {
			socks[i], fars[i] = adopt(t, l)
			go func() {
				io.Copy(&got[i], fars[i])
				read <- i
			}()
		}
		for range 300 {
			do(t, l, func() {
				collecting(l)
				for range random.IntN(40) {
					i := random.IntN(n)
					b := make([]byte, random.IntN(600)+random.IntN(2)*random.IntN(2)*random.IntN(9000))
					for k := range b {
						b[k] = byte(random.Uint32())
					}
					want[i].Write(b)
					if err := socks[i].sock.Write(b); err != nil {
						t.Error(err)
					}
					switch random.IntN(20) {
					case 0:
						socks[i].sock.SendCollected()
					case 1:
						socks[i].sock.Flush()
					case 2:
						l.outgoing.send()
					}
				}
			})
		}
		for i := range n {
			eventually(t, "all is sent", func() (sent bool) {
				do(t, l, func() {
					socks[i].sock.Flush()
					sent = socks[i].sock.Pending() == 0
				})
				return sent
			})
		}
		do(t, l, func() {
			for _, p := range socks {
				p.sock.Close()
			}
		})
		for range n {
			i := <-read
			if !bytes.Equal(got[i].Bytes(), want[i].Bytes()) {
				t.Errorf("stream %d: %d bytes came, %d were written", i, got[i].Len(), want[i].Len())
			}
		}
	})
}

// Where the kernel lets a program have one, a loop has a ring; this says what is measured
// elsewhere.
func TestARingDoesWhatItIsGiven(t *testing.T) {
	r, err := newRing(4)
	if err != nil {
		t.Logf("no ring here: %v", err)
		return
	}
	defer r.close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	text := make([]byte, 0, 64<<10) // on the heap
	text = append(text, "abc"...)
	for round := range 10 { // past the end of the queue
		results := map[int]int32{}
		for i, fd := range []int{pair[0], -1, pair[0]} {
			r.put(i, int32(fd), text)
		}
		r.submit(3, func(i int, result int32) { results[i] = result })
		if results[0] != 3 || results[1] != -int32(unix.EBADF) || results[2] != 3 {
			t.Errorf("round %d: %v", round, results)
		}
		b := make([]byte, 16)
		if n, _ := unix.Read(pair[1], b); string(b[:n]) != "abcabc" {
			t.Errorf("round %d: came %q", round, b[:n])
		}
	}
	runtime.KeepAlive(text)
}
