package pool

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/auth"
	"portero/discovery"
	"portero/wire"
)

// open connects to the leader, whatever the pool's role: nobody else knows of
// notifications.
func (a *ear) open(home *cluster, v *discovery.View) (*line, error) {
	p := a.pool
	m, ok := a.leader(v)
	if !ok {
		return nil, errNoLeader
	}
	if err := p.takeRoom(p.ctx, a.needed); err != nil {
		return nil, err
	}
	l, err := a.dial(home, m)
	if err != nil {
		p.owner.quota.giveBack(p)
		return nil, fmt.Errorf("%s: %w", m.Address, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connected, a.asking, a.leaving, a.leaveBy = true, false, false, 0
	for name := range a.channels {
		a.changed[name] = struct{}{}
	}
	return l, nil
}

func (a *ear) needed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.neededLocked()
}

// leader is the member to listen at. Where hosts have to be asked and none is
// known to lead, it is each in turn.
func (a *ear) leader(v *discovery.View) (discovery.Member, bool) {
	pl := a.plan(v)
	if len(pl.targets) == 0 {
		return discovery.Member{}, false
	}
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	a.pool.nextHost++
	return pl.targets[a.pool.nextHost%len(pl.targets)], true
}

// plan is who leads: an ear listens at the leader, whatever role its pool is for.
func (a *ear) plan(v *discovery.View) plan {
	return newPlan(v, a.pool.Key.Group, demand{role: "leader"}, nil, time.Now())
}

// dial opens the connection, with the pool's login, and has it prove itself.
func (a *ear) dial(home *cluster, m discovery.Member) (*line, error) {
	p := a.pool
	patience := p.owner.limits().ServerConnectTimeout
	conn, err := home.dialWithin(p.ctx, m, patience)
	if err != nil {
		return nil, err
	}
	defer hurry(p.ctx, conn)()
	conn.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // a closed connection fails at its first use
	l := &line{conn: conn, stream: wire.NewStream(conn), home: home, member: m, on: make(map[string]struct{}), ended: make(chan struct{})}
	if err := a.logIn(l); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{}) //nolint:errcheck // likewise
	return l, nil
}

func (a *ear) logIn(l *line) error {
	p := a.pool
	login, err := auth.Login(l.stream, p.loginParams(l.conn))
	if err != nil {
		return err
	}
	if err := inTheirEncoding(l.stream, login.Parameters); err != nil {
		return err
	}
	a.mu.Lock()
	a.encoding, a.usual = login.Parameters["server_encoding"], login.Parameters["client_encoding"]
	a.mu.Unlock()
	said, err := l.home.ask(l.stream, false)
	if err != nil {
		return err
	}
	said.Group, said.Member = p.Key.Group, l.member.Name
	l.home.discovery.Observe(said.Proof)
	l.pid, l.view = login.PID, l.home.discovery.View()
	pl := a.plan(l.view)
	at, err := pl.judge(l.member, said.Proof)
	l.epoch = at.epoch
	return err
}

// inTheirEncoding has the server speak the encoding of the database, in which no
// channel has a name that cannot be said.
func inTheirEncoding(stream *wire.Stream, parameters map[string]string) error {
	encoding := parameters["server_encoding"]
	if parameters["client_encoding"] == encoding {
		return nil
	}
	if err := stream.Write(&pgproto3.Query{String: "SET client_encoding TO '" + encoding + "'"}); err != nil {
		return err
	}
	var refused error
	for {
		switch f, err := stream.Read(maxHeard); {
		case err != nil:
			return err
		case f.Type == 'E':
			refused = wire.ParseError(f.Body)
		case f.Type == 'Z':
			return refused
		}
	}
}
