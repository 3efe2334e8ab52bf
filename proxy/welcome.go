package proxy

import (
	"maps"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/metrics"
	"portero/pool"
	"portero/wire"
)

// welcome ends a client's login: the parameters of the server really in use, the
// client's cancel key, ReadyForQuery. While there is no leader the client is
// held here.
func (r *relay) welcome() metrics.Reason {
	if r.c.mode == modeSession {
		r.sayHello()
		return r.welcomeToServer()
	}
	if r.spread != nil {
		r.chooseFor(nil)
	} else if r.at.BetweenNodes() {
		r.sayHello()
		if why := r.awaitPlace(); why != metrics.None {
			return why
		}
	}
	b, ok := r.at.AppendWelcome(r.opener(), r.sess.Settings())
	if !ok {
		r.loop.GiveBuffer(b)
		r.sayHello()
		welcome, why := r.askWelcome()
		if why != metrics.None {
			return why
		}
		b = append(r.opener(), welcome...)
	}
	r.greet(b)
	return metrics.None
}

// sayHello tells the client that it has proved itself, where the rest may take a while.
func (r *relay) sayHello() {
	if len(r.hello) > 0 {
		r.c.sock.Write(r.hello) //nolint:errcheck // a client that is gone is noticed by its next event
	}
	r.hello = nil
}

// welcomeToServer gives a client in session mode the server that it keeps to its
// end. The client hears what that has said at its login, and is told its process
// ID: from here on all is as on a connection of its own.
func (r *relay) welcomeToServer() metrics.Reason {
	r.acquire(nil)
	if why := r.obtain((*relay).isSet); why != metrics.None {
		return why
	}
	if r.c.proxy.config().Pool.ApplicationNameAddHost && !r.c.pool.Key.Replicates() {
		if why := r.nameHost(); why != metrics.None {
			return why
		}
	}
	s := r.claim.Server
	r.serveBy(s)
	if s.PID() != 0 { // else it takes no cancel requests
		r.c.proxy.clients.tie(r.c, s.PID())
	}
	r.greet(s.AppendGreeting(r.opener()))
	return metrics.None
}

// opener is a buffer of the loop with what the client has not been sent of its login.
func (r *relay) opener() []byte { return append(r.loop.TakeBuffer(), r.hello...) }

// greet sends what was begun by opener, with the welcome behind it, and takes the buffer back.
func (r *relay) greet(b []byte) {
	r.hello = nil
	b = wire.AppendKeyData(b, r.c.pid(), r.c.secret)
	b = append(b, readyForQuery...)
	r.c.sock.Write(b) //nolint:errcheck // a client that is gone is noticed by its next event
	r.loop.GiveBuffer(b)
	r.c.welcomed = true
	if r.c.proxy.config().Log.Connections {
		r.c.proxy.log.Info("client logged in", "id", r.c.id, "address", r.c.address(), "user", r.c.person.name,
			"database", r.at.Key.Database, "route", r.c.course.route.Name, "tls", r.c.sock.IsTLS())
	}
}

// askWelcome gives a server the client's settings and notes what it reports.
func (r *relay) askWelcome() ([]byte, metrics.Reason) {
	r.acquireHere(nil)
	if why := r.obtain((*relay).isSet); why != metrics.None {
		return nil, why
	}
	s := r.claim.Server
	welcome := parameters(s)
	r.at.KeepWelcome(r.sess.Settings(), s, welcome)
	r.at.Release(&r.claim)
	return welcome, metrics.None
}

// parameters is a server's ParameterStatus messages, in the order of the names.
func parameters(s *pool.Server) []byte {
	var b []byte
	all := s.Parameters()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b = wire.Append(b, &pgproto3.ParameterStatus{Name: name, Value: all[name]})
	}
	return b
}
