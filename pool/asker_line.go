package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/auth"
	"portero/discovery"
	"portero/loop"
	"portero/wire"
)

// maxAnswer is the largest message of an answer, in bytes.
const maxAnswer = 64 << 10

// open connects to the leader. A refusal for good is an *auth.Unanswered; anything else
// may be otherwise the next time.
func (a *asker) open(ctx context.Context, home *cluster, v *discovery.View, q auth.Question, began int64) error {
	p := a.pool
	p.mu.Lock()
	p.secrets = secrets{offered: q.Credentials}
	p.mu.Unlock()
	m, wait := p.target(home, v)
	if wait > 0 {
		p.pause(ctx, v, wait)
		return errNoLeader
	}
	l, err := a.connect(ctx, home, v, m)
	p.arrived(m)
	if err == nil {
		p.welcomed(m)
		a.line, a.used = l, loop.Clock()
		p.log.Info("asker opened", "member", m.Name, "address", m.Address, "epoch", l.post.epoch)
		return nil
	}
	if refusal := permanent(err); refusal != nil {
		if p.refusedBy(m, refusal, began) {
			return &auth.Unanswered{Err: fmt.Errorf("the server does not let %s in: %w", a.on.setting, err), Refused: true, NoDatabase: refusal.Code == wire.UndefinedDatabase}
		}
		return err
	}
	p.noteFailure(m, err)
	return err
}

// connect is open when a member is found: it waits for its turn at the door, where it
// is not known whether the database exists, and for room.
func (a *asker) connect(parent context.Context, home *cluster, v *discovery.View, m discovery.Member) (*leaderLine, error) {
	p := a.pool
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	defer p.leaveWhenMoved(ctx, cancel, home, v, m)()
	if err := p.enter(ctx); err != nil {
		return nil, err
	}
	defer p.exit()
	if err := p.takeRoom(ctx, func() bool { return true }); err != nil {
		return nil, err
	}
	l, err := a.logIn(ctx, home, m)
	if err != nil {
		p.owner.quota.giveBack(p)
		if context.Cause(ctx) == errMoved {
			err = errMoved
		}
		return nil, err
	}
	return l, nil
}

func (a *asker) logIn(ctx context.Context, home *cluster, m discovery.Member) (*leaderLine, error) {
	p := a.pool
	e, err := p.knock(ctx, home, m, Startup{}, p.owner.limits().ServerConnectTimeout)
	if err != nil {
		return nil, err
	}
	defer hurry(ctx, e.conn)()
	at, err := a.prove(e)
	if err != nil {
		e.conn.Close()
		return nil, err
	}
	return &leaderLine{conn: e.conn, stream: e.stream, member: m, post: at}, nil
}

// prove has the server say that it leads.
func (a *asker) prove(e *entered) (post, error) {
	p := a.pool
	e.conn.SetDeadline(time.Now().Add(p.owner.limits().ServerConnectTimeout)) //nolint:errcheck // a closed connection fails at its first use
	said, err := e.home.ask(e.stream, false)
	if err == nil {
		err = e.home.learn(e, false)
	}
	if err != nil {
		return post{}, err
	}
	said.Group, said.Member = p.Key.Group, e.member.Name
	p.cluster().Observe(said.Proof)
	pl := p.plan(p.cluster().View())
	return pl.judge(e.member, said.Proof)
}

// put puts the question over the line, which has to be answered within
// server_connect_timeout. The name is a parameter: no letter of it can be read as SQL.
func (a *asker) put(parent context.Context, home *cluster, v *discovery.View, q auth.Question) (auth.Answer, error) {
	p, l := a.pool, a.line
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	defer p.leaveWhenMoved(ctx, cancel, home, v, l.member)()
	l.conn.SetDeadline(time.Now().Add(p.owner.limits().ServerConnectTimeout)) //nolint:errcheck // likewise
	defer hurry(ctx, l.conn)()
	err := l.stream.Write(
		&pgproto3.Parse{Query: q.SQL},
		&pgproto3.Bind{Parameters: [][]byte{[]byte(q.Name)}},
		&pgproto3.Execute{MaxRows: 2},
		&pgproto3.Sync{},
	)
	if err != nil {
		return auth.Answer{}, err
	}
	return a.on.readAnswer(l.stream)
}

// readAnswer reads what a question brings, to the end of it.
func (on topic) readAnswer(s *wire.Stream) (answer auth.Answer, err error) {
	for {
		f, failed := s.Read(maxAnswer)
		switch {
		case errors.Is(failed, wire.ErrFrameLength):
			return auth.Answer{}, unfitAnswer(failed)
		case failed != nil:
			return auth.Answer{}, failed
		}
		switch f.Type {
		case 'D':
			if answer.Found {
				err = unfitAnswer(fmt.Errorf("%s has more than one row for a name", on.about))
			} else if answer, failed = on.answerOf(f.Body); failed != nil {
				err = unfitAnswer(failed)
			}
		case 'E':
			err = wire.ParseError(f.Body)
			if wire.IsFatal(f.Body) {
				return auth.Answer{}, err
			}
		case 'Z':
			if err != nil {
				return auth.Answer{}, err
			}
			return answer, nil
		}
	}
}

func unfitAnswer(err error) error { return &auth.Unanswered{Err: err, Refused: true} }

// answerOf reads a row: the name, and the secret or NULL.
func (on topic) answerOf(body []byte) (auth.Answer, error) {
	var row pgproto3.DataRow
	if err := row.Decode(body); err != nil {
		return auth.Answer{}, err
	}
	if len(row.Values) != 2 {
		return auth.Answer{}, fmt.Errorf("%s has %d columns, not a name and a secret", on.about, len(row.Values))
	}
	if row.Values[0] == nil { // as a function with OUT parameters says that there is nobody
		return auth.Answer{}, nil
	}
	return auth.Answer{Found: true, Name: string(row.Values[0]), Secret: string(row.Values[1])}, nil
}
