package proxy

import (
	"errors"
	"log/slog"
	"net"
	"time"

	"portero/metrics"
	"portero/wire"
)

// accept serves one listener until it is closed.
func (p *Proxy) accept(l *listener) {
	defer p.accepting.Done()
	var often seldom
	pause := time.Millisecond
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of descriptors, most likely
			p.log.Log(p.ctx, often.level(slog.LevelError), "accept", "listener", l.String(), "error", err)
			if !p.pause(pause) {
				return
			}
			pause = min(2*pause, time.Second)
			continue
		}
		pause = time.Millisecond
		p.process.ClientsAccepted.Add(1)
		if c := p.gate.admit(p.ctx, conn); c != nil {
			p.handshakes.Add(1)
			go p.handshake(l, c)
		} else {
			p.turnAway(conn)
		}
	}
}

// pause waits for d; false when the proxy ends first.
func (p *Proxy) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.ctx.Done():
		return false
	}
}

// turnAway ends a connection for which there is no room, not even to hear what
// it wants. It is told so in clear text; the kernel's buffer of a new
// connection has room for that.
func (p *Proxy) turnAway(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second)) //nolint:errcheck // the write fails too
	conn.Write(errTooManyClients().Append(nil))   //nolint:errcheck // it is closed next
	p.refused(conn, metrics.TooManyClients, errTooManyClients())
}

// errTooManyClients has the words of PgBouncer.
func errTooManyClients() *wire.Error {
	return wire.Fatal(wire.TooManyConnections, "no more connections allowed (max_client_conn)")
}

func errTooManyLogins() *wire.Error {
	return wire.Fatal(wire.TooManyConnections, "no more logins allowed (max_logins), and this one has been silent for longest")
}
