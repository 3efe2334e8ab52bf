package proxy

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// stand is a gate with callers that a test plays both sides of.
type stand struct {
	*gate
	t *testing.T
	l net.Listener
}

func newStand(t *testing.T, r Room) *stand {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &stand{newGate(r, new(atomic.Int64)), t, l}
}

// comes connects, and returns both ends.
func (s *stand) comes() (conn, far net.Conn) {
	s.t.Helper()
	far, err := net.Dial("tcp", s.l.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	if conn, err = s.l.Accept(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close(); far.Close() })
	return conn, far
}

// inside is a caller that has been let in.
func (s *stand) inside() (c *caller, far net.Conn) {
	s.t.Helper()
	conn, far := s.comes()
	if c = s.admit(s.t.Context(), conn); c == nil {
		s.t.Fatal("there was no room")
	}
	return c, far
}

// knocks admits in the background.
func (s *stand) knocks() <-chan *caller {
	s.t.Helper()
	conn, _ := s.comes()
	admitted := make(chan *caller, 1)
	go func() { admitted <- s.admit(s.t.Context(), conn) }()
	return admitted
}

// hears waits until the caller's goroutine has read what the far end says.
func (s *stand) hears(c *caller, far net.Conn) {
	s.t.Helper()
	if _, err := far.Write([]byte("x")); err != nil {
		s.t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stand) receive(what string, admitted <-chan *caller) *caller {
	s.t.Helper()
	select {
	case c := <-admitted:
		return c
	case <-time.After(time.Minute):
		s.t.Fatalf("%s waits for ever", what)
		return nil
	}
}

// leaves plays the end of a handshake whose Read must fail as c was turned out.
func (s *stand) leaves(what string, c *caller) {
	s.t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, errTurnedOut) {
			s.t.Fatalf("%s: %v", what, err)
		}
	case <-time.After(time.Minute):
		s.t.Fatalf("%s is not turned out", what)
	}
	c.Close()
	s.callerLeft(c)
}

func TestTheSilentestGivesWayAndNobodyWhoSpeaks(t *testing.T) {
	s := newStand(t, Room{Clients: 10, Logins: 3, Late: 1})
	spoke, far := s.inside()
	s.hears(spoke, far) // and is being worked on
	first, _ := s.inside()
	second, _ := s.inside()
	for _, silent := range []*caller{first, second} {
		next := s.knocks()
		s.leaves("the silent one", silent)
		c := s.receive("the newcomer", next)
		if c == nil || c.late {
			t.Fatal("the newcomer did not get the place")
		}
		c.is(working, 1)
	}
	if spoke.turnedOut {
		t.Error("who spoke was turned out")
	}
	if s.clients != 3 || len(s.logins.callers) != 3 || s.logins.leaving != 0 {
		t.Errorf("%d places, %d logins, %d leaving", s.clients, len(s.logins.callers), s.logins.leaving)
	}
}

// Its goroutine has not had a turn yet; that is not its fault.
func TestWhoseBytesHaveComeIsNotSilent(t *testing.T) {
	s := newStand(t, Room{Clients: 10, Logins: 2, Late: 1})
	unread, far := s.inside()
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !hasBytes(unread.Conn); {
		if time.Now().After(end) {
			t.Fatal("the byte does not come")
		}
	}
	silent, _ := s.inside()
	next := s.knocks()
	s.leaves("the silent one", silent)
	if s.receive("the newcomer", next) == nil || unread.turnedOut {
		t.Error("the wrong one was turned out")
	}
}

func TestWhoPausesGivesWayBehindThoseWhoSaidNothing(t *testing.T) {
	s := newStand(t, Room{Clients: 10, Logins: 2, Late: 1})
	now := time.Now()
	paused, far := s.inside()
	s.hears(paused, far)
	paused.is(waiting, 0)
	silent, _ := s.inside()
	silent.since = now.Add(2 * unheardFor)
	for _, c := range []struct {
		after time.Duration
		want  *caller
	}{
		{0, nil}, {unheardFor, nil}, {4 * unheardFor, silent}, {time.Hour, silent},
	} {
		if got := s.logins.longest(now.Add(c.after)); got != c.want {
			t.Errorf("after %s: %p has to go, want %p", c.after, got, c.want)
		}
	}
	silent.is(working, 0)
	if s.logins.longest(paused.since.Add(pausingFor-1)) != nil || s.logins.longest(paused.since.Add(pausingFor)) != paused {
		t.Error("who pauses does not give way after its time")
	}
	silent.is(answered, 0)
	if s.logins.longest(now) != silent {
		t.Error("who has been answered does not go first")
	}
}

func TestManyAtOnceWaitForEachOther(t *testing.T) {
	s := newStand(t, Room{Clients: 10, Logins: 1, Late: 1})
	c, _ := s.inside()
	for range 5 {
		c.is(working, 1)
		next := s.knocks()
		select {
		case <-next:
			t.Fatal("there were two at once")
		case <-time.After(2 * lookAgain):
		}
		s.handedOver(c)
		if c = s.receive("the next", next); c == nil || c.late {
			t.Fatal("it was refused")
		}
	}
	if s.clients != 6 {
		t.Errorf("%d places are taken, want 6", s.clients)
	}
}

// What is not to be waited for is not waited for by everybody in turn.
func TestWhereNothingMovesNobodyWaitsForLong(t *testing.T) {
	s := newStand(t, Room{Clients: 10, Logins: 1, Late: 2})
	stuck, _ := s.inside()
	stuck.is(working, 1)
	began := time.Now()
	for range 2 {
		late, _ := s.inside()
		if !late.late {
			t.Fatal("it was let in")
		}
		late.is(working, 1)
	}
	for range 20 {
		conn, _ := s.comes()
		if s.admit(t.Context(), conn) != nil {
			t.Fatal("there was room")
		}
	}
	if took := time.Since(began); took < maxQueuing || took > 10*maxQueuing {
		t.Errorf("it took %s", took) // a second for each lobby, not for each caller
	}
	s.handedOver(stuck)
	if c, _ := s.inside(); c.late {
		t.Error("there is no room when it moves again")
	}
}

func TestWhoIsLateGetsAPlaceThatHasBecomeFree(t *testing.T) {
	s := newStand(t, Room{Clients: 1, Logins: 1, Late: 1})
	client, _ := s.inside()
	s.handedOver(client)
	late, _ := s.inside()
	if !late.late || s.upgrade(t.Context(), late) {
		t.Fatal("there are more clients than places")
	}
	s.clientLeft()
	if !s.upgrade(t.Context(), late) || s.clients != 1 || len(s.late.callers) != 0 || len(s.logins.callers) != 1 {
		t.Errorf("%d places, %d late, %d logins", s.clients, len(s.late.callers), len(s.logins.callers))
	}
	s.callerLeft(late)
	if s.clients != 0 || len(s.logins.callers) != 0 {
		t.Errorf("%d places, %d logins", s.clients, len(s.logins.callers))
	}
}

func TestTheHighestDescriptorsAreNotForClients(t *testing.T) {
	s := newStand(t, Room{Clients: 10, Logins: 10, Late: 10})
	first, _ := s.inside()
	s.room.Highest = descriptor(first.Conn)
	if high, _ := s.inside(); !high.late || s.upgrade(t.Context(), high) {
		t.Error("a client has one")
	}
	s.callerLeft(first)
	first.Close()
	if low, _ := s.inside(); low.late && descriptor(low.Conn) <= s.room.Highest {
		t.Error("a low descriptor is refused")
	}
}

func TestAQuarterOfTheConsoleIsForAdmins(t *testing.T) {
	s := newStand(t, Room{Clients: 1, Logins: 1, Late: 1, Consoles: 4})
	come := func(admin bool) (*caller, error) {
		c, far := s.inside()
		s.hears(c, far)
		if !s.toConsole(t.Context(), c) {
			t.Fatal("there was no room at the console")
		}
		return c, s.settle(c, admin)
	}
	var first *caller
	for range 3 {
		c, err := come(false)
		if err != nil {
			t.Fatal(err)
		}
		first = c
	}
	c, err := come(false)
	if err == nil {
		t.Error("onlookers have taken all places")
	}
	s.callerLeft(c)
	if c, err := come(true); err != nil {
		t.Error(err)
	} else {
		s.callerLeft(c)
	}
	s.callerLeft(first)
	if _, err := come(false); err != nil {
		t.Errorf("a place that is free again: %v", err)
	}
}

func TestSilentCallersKeepNobodyFromTheConsole(t *testing.T) {
	s := newStand(t, Room{Clients: 1, Logins: 1, Late: 1, Consoles: 2})
	toConsole := func() *caller {
		t.Helper()
		c, far := s.inside()
		s.hears(c, far)
		if !s.toConsole(t.Context(), c) {
			t.Fatal("there was no room at the console")
		}
		return c
	}
	operator := toConsole()
	if s.settle(operator, true) != nil {
		t.Fatal("an operator was turned out")
	}
	silent := toConsole()
	silent.is(waiting, 0)
	s.mu.Lock()
	if s.clients != 0 || operator.since.IsZero() {
		t.Errorf("the console's are counted as %d clients", s.clients)
	}
	operator.since, silent.since = time.Time{}, time.Now().Add(-2*pausingFor)
	operator.doing = waiting
	s.mu.Unlock()
	next, far := s.inside()
	s.hears(next, far)
	in := make(chan bool, 1)
	go func() { in <- s.toConsole(t.Context(), next) }()
	for turnedOut, end := false, time.Now().Add(time.Minute); !turnedOut; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the silent one is not turned out")
		}
		s.mu.Lock()
		turnedOut = silent.turnedOut
		s.mu.Unlock()
	}
	s.leaves("the silent one", silent)
	if !<-in && !s.toConsole(t.Context(), next) { // the machine may have been busy
		t.Error("the next one did not get the place")
	}
	if operator.turnedOut {
		t.Error("the operator was turned out")
	}
}
