package proxy

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"portero/wire"
)

// Room is how many connections a Proxy takes.
type Room struct {
	Clients  int // from accept to end
	Logins   int // of these, not logged in yet
	Consoles int // clients of the console, beyond those too
	Late     int // beyond the clients: they may cancel a statement, else they hear that there is no room
	Highest  int // the highest descriptor that a client may have, for those above are kept for others; 0 = any
}

// gate counts clients from their accept on. Where there is no room, those who
// are silent make room for those who come; nobody who speaks is turned out.
type gate struct {
	moved   chan struct{} // a token when there may be room again, for admit
	awaited atomic.Bool   // by those of waiting

	mu        sync.Mutex // guards what follows, and the callers of all lobbies
	room      Room
	clients   int // places taken: by logins, and by clients that have logged in
	logins    lobby
	late      lobby
	consoles  lobby // some of these have logged in, and stay
	onlookers int   // of them, who have logged in and are no admins

	waiting map[*door]struct{} // for room; to be woken when there may be some
}

// How long a caller must have been silent before it gives way: one that has
// not said a word yet, and one in the middle of its login, which may be far
// away. Late ones give way at once, as nothing is lost with them: what they
// came to say is in the kernel's buffer already, mostly.
const (
	unheardFor = 20 * time.Millisecond
	pausingFor = time.Second
)

// newGate returns a gate with nobody in it. logins is how many callers it has.
func newGate(r Room, logins *atomic.Int64) *gate {
	return &gate{
		room: r, moved: make(chan struct{}, 1),
		logins: lobby{size: r.Logins, count: logins, unheard: unheardFor, pausing: pausingFor},
		late:   lobby{size: r.Late, count: logins},

		consoles: lobby{size: r.Consoles, count: new(atomic.Int64), unheard: unheardFor, pausing: pausingFor},
	}
}

// maxQueuing is how long an accept waits for room while nobody leaves. Those
// behind it are in the kernel's queue meanwhile: when a thousand come at once,
// they wait for each other's logins in place of being refused.
const maxQueuing = time.Second

// lookAgain is how often a waiting accept looks for somebody who has become silent.
const lookAgain = 10 * time.Millisecond

// admit finds room for conn, for which it may wait. nil: there is none. The
// handshake of the caller ends with handedOver or callerLeft.
func (g *gate) admit(ctx context.Context, conn net.Conn) *caller {
	c := &caller{Conn: conn, gate: g, since: time.Now()}
	highest := g.highest()
	c.high = highest > 0 && descriptor(conn) > highest
	in, wait := g.enter(c)
	if !wait {
		return in
	}
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for wait {
		select {
		case <-g.moved:
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
		in, wait = g.enter(c)
	}
	return in
}

func (g *gate) highest() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.room.Highest
}

// enter returns c if it is in. If there is no room for it, it has somebody
// turned out, if there is anybody, and says whether c should wait.
func (g *gate) enter(c *caller) (in *caller, wait bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	switch {
	case g.hasPlace(c):
		g.take(c)
		return c, false
	case c.high: // the place of another has no lower descriptor
	case g.logins.turnOut(now), g.clients < g.room.Clients: // one will be free in a moment
		if g.logins.moves(now) {
			return nil, true
		}
	}
	if !g.late.hasRoom() {
		g.late.turnOut(now)
		return nil, g.late.moves(now)
	}
	g.late.add(c)
	c.late = true
	return c, false
}

// hasPlace reports whether c can be a client.
func (g *gate) hasPlace(c *caller) bool {
	return !c.high && g.clients < g.room.Clients && g.logins.hasRoom()
}

func (g *gate) take(c *caller) {
	g.logins.add(c)
	g.clients++
}

// upgrade is for a late caller that has said that it wants to log in: there
// may be room by now, or somebody who has said nothing yet, whose place it gets
// after a moment. False: there is no room.
func (g *gate) upgrade(ctx context.Context, c *caller) bool {
	return retry(ctx, c, 2*unheardFor, g.tryUpgrade)
}

// retry tries to find a place for c, for so long if somebody may be on his way out.
func retry(ctx context.Context, c *caller, patience time.Duration, try func(*caller) (in, wait bool)) bool {
	in, wait := try(c)
	if !wait {
		return in
	}
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for tries := int(patience / lookAgain); wait && tries > 0; tries-- {
		select {
		case <-again.C:
		case <-ctx.Done():
			return false
		}
		in, wait = try(c)
	}
	return in
}

func (g *gate) tryUpgrade(c *caller) (up, wait bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !c.late:
		return true, false
	case !g.hasPlace(c):
		wait = !c.high && (g.logins.turnOut(time.Now()) || g.logins.hasUnheard())
		return false, wait
	}
	g.late.remove(c)
	c.late = false
	g.take(c)
	return true, false
}

// takeIn counts a client in that has logged in to another process. There may be more than
// there is room for, for a while.
func (g *gate) takeIn() {
	g.mu.Lock()
	g.clients++
	g.mu.Unlock()
}

// handedOver ends c's time at the gate: it has become a client, whose end is
// told by clientLeft.
func (g *gate) handedOver(c *caller) {
	g.mu.Lock()
	g.logins.remove(c)
	g.mu.Unlock()
	g.tell()
}

// callerLeft ends c's time at the gate, and with it the connection.
func (g *gate) callerLeft(c *caller) {
	g.mu.Lock()
	g.leaveLocked(c)
	g.mu.Unlock()
	g.tell()
}

// leaveLocked gives back the place that a caller has.
func (g *gate) leaveLocked(c *caller) {
	switch {
	case c.console:
		if g.consoles.remove(c); c.looksOn {
			g.onlookers--
		}
	case c.late:
		g.late.remove(c)
	default:
		g.logins.remove(c)
		g.clients--
	}
}

// toConsole moves c, who has asked for the console, to those who have too. There nobody waits
// behind clients, nor is counted as one. False: there is no room.
func (g *gate) toConsole(ctx context.Context, c *caller) bool {
	defer g.tell()
	return retry(ctx, c, maxQueuing, g.tryConsole)
}

func (g *gate) tryConsole(c *caller) (in, wait bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.consoles.hasRoom() {
		g.consoles.turnOut(time.Now())
		return false, true // somebody may leave in a moment
	}
	g.leaveLocked(c)
	c.console = true
	g.consoles.add(c)
	return true, false
}

// settle lets a caller that has logged in to the console stay, however silent it is. A quarter
// of the places is for admins only. An error says why it cannot stay.
func (g *gate) settle(c *caller, admin bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch most := g.consoles.size * 3 / 4; {
	case c.turnedOut:
		return errTurnedOut
	case !admin && g.onlookers >= most:
		return wire.Fatal(wire.TooManyConnections, "no more connections to the console allowed (%d) but for admins", most)
	case !admin:
		c.looksOn = true
		g.onlookers++
	}
	c.settled = true
	return nil
}

// clientLeft gives back the place of a client that had logged in.
func (g *gate) clientLeft() {
	g.mu.Lock()
	g.clients--
	g.logins.jammed = time.Time{}
	g.mu.Unlock()
	g.tell()
}

func (g *gate) tell() {
	select {
	case g.moved <- struct{}{}:
	default:
	}
	if !g.awaited.Load() {
		return
	}
	g.mu.Lock()
	all := g.waiting
	g.waiting = nil
	g.awaited.Store(false)
	g.mu.Unlock()
	for d := range all {
		d.wake()
	}
}

// ring has d woken once when there may be room again.
func (g *gate) ring(d *door) {
	g.mu.Lock()
	if g.waiting == nil {
		g.waiting = make(map[*door]struct{})
	}
	g.waiting[d] = struct{}{}
	g.awaited.Store(true)
	g.mu.Unlock()
}
