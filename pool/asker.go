package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"portero/auth"
	"portero/discovery"
	"portero/loop"
	"portero/wire"
)

// asker puts questions to the leader of a group, about users or what else only it knows, over a connection of
// its own, which is lent to nobody, counted as a server in the limit of all, and
// kept for a while for the next question. Questions are put one at a time.
//
// It has no goroutine: it runs in those of the logins that ask.
type asker struct {
	on    topic
	pool  *Pool         // in no books: it has no servers, but finds a leader and logs in as others do
	users int           // who have it; guarded by the mu of askers
	turn  chan struct{} // guards what follows

	line *leaderLine // nil: hung up
	used int64       // when the last question was put, on the loops' clock
}

// topic is what questions are about. Each has askers of its own.
type topic struct {
	mode    string // in their Key
	about   string // for errors: the query
	setting string // likewise: who puts it
}

var (
	forUsers = topic{"lookup", "the query for users", "query_user"}
	forNodes = topic{"metadata", "the query for pg_dist_node", "metadata.user"}
)

// leaderLine is a connection to a leader that has proved itself.
type leaderLine struct {
	conn   net.Conn
	stream *wire.Stream
	member discovery.Member
	post   post
}

// askers are those of all groups and databases.
type askers struct {
	mu  sync.Mutex // guards what follows
	all map[Key]*asker
}

const (
	// maxAskers bounds the connections of askers: clients name the databases that
	// they are in.
	maxAskers = 32
	// askerLingers is how long a connection is kept that nobody needs.
	askerLingers = 30 * time.Second
	// askersFull is how often one who finds no room among them looks again.
	askersFull = 20 * time.Millisecond
)

// Ask puts a question about a user to the leader of a group. It waits until there
// is one, and for others who ask, until ctx ends. Errors are of type
// *auth.Unanswered.
func (ps *Pools) Ask(ctx context.Context, cluster string, group int, q auth.Question) (auth.Answer, error) {
	return ps.askAs(ctx, forUsers, cluster, group, q)
}

// askAs is Ask on any topic whose answer is a row of two columns.
func (ps *Pools) askAs(ctx context.Context, on topic, cluster string, group int, q auth.Question) (auth.Answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ps.ctx, cancel)()
	a, err := ps.asker(ctx, on, Key{Cluster: cluster, Group: group, Role: "leader", Mode: on.mode, Database: q.Database, User: q.As})
	if err != nil {
		return auth.Answer{}, &auth.Unanswered{Err: err}
	}
	defer ps.leaveAsker(a)
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return auth.Answer{}, &auth.Unanswered{Err: ctx.Err(), Held: a.pool.Held()}
	}
	return a.ask(ctx, q)
}

// asker is that of a key, a new one where there is none yet.
func (ps *Pools) asker(ctx context.Context, on topic, k Key) (*asker, error) {
	for {
		a, err := ps.askerNow(on, k)
		if a != nil || err != nil {
			return a, err
		}
		t := time.NewTimer(askersFull)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, fmt.Errorf("there is no room for another database to ask in: %w", ctx.Err())
		}
	}
}

// askerNow is nil if there is no room for another.
func (ps *Pools) askerNow(on topic, k Key) (*asker, error) {
	ps.askers.mu.Lock()
	defer ps.askers.mu.Unlock()
	a := ps.askers.all[k]
	if a != nil && !ps.isCurrent(a.pool.home.Load()) { // those who have it end with it
		delete(ps.askers.all, k)
		a = nil
	}
	if a == nil {
		if len(ps.askers.all) >= maxAskers && !ps.dropAskerLocked() {
			return nil, nil
		}
		ps.mu.Lock()
		p, err := newPool(ps, k.Database, k, Terms{Size: 1})
		ps.mu.Unlock()
		if err != nil {
			return nil, err
		}
		a = &asker{on: on, pool: p, turn: make(chan struct{}, 1)}
		if ps.askers.all == nil {
			ps.askers.all = make(map[Key]*asker)
		}
		ps.askers.all[k] = a
	}
	a.users++
	return a, nil
}

// leaveAsker ends what askerNow began. An asker that could not come in has no use.
func (ps *Pools) leaveAsker(a *asker) {
	ps.askers.mu.Lock()
	defer ps.askers.mu.Unlock()
	if a.users--; a.users == 0 && (a.line == nil || ps.askers.all[a.pool.Key] != a) {
		ps.forgetAskerLocked(a)
	}
}

func (ps *Pools) forgetAskerLocked(a *asker) {
	a.hangUp()
	a.pool.stop()
	ps.quota.depart(a.pool)
	if ps.askers.all[a.pool.Key] == a {
		delete(ps.askers.all, a.pool.Key)
	}
}

// dropAskerLocked drops the asker that nobody has had for longest.
func (ps *Pools) dropAskerLocked() bool {
	var oldest *asker
	for _, a := range ps.askers.all {
		if a.users == 0 && (oldest == nil || a.used < oldest.used) {
			oldest = a
		}
	}
	if oldest != nil {
		ps.forgetAskerLocked(oldest)
	}
	return oldest != nil
}

// sweepAskers hangs up where nobody has asked for a while, where another leads, and
// where clients wait for the room.
func (ps *Pools) sweepAskers() {
	ps.askers.mu.Lock()
	defer ps.askers.mu.Unlock()
	now, pressed := loop.Clock(), ps.quota.pressed.Load() > 0
	for _, a := range ps.askers.all {
		if a.users == 0 && (pressed || now-a.used > int64(askerLingers) || !a.fits(a.pool.cluster().View()) || !ps.isCurrent(a.pool.home.Load())) {
			ps.forgetAskerLocked(a)
		}
	}
}

// closeAskers is for the end, when nobody asks any more.
func (ps *Pools) closeAskers() {
	ps.askers.mu.Lock()
	defer ps.askers.mu.Unlock()
	for _, a := range ps.askers.all {
		ps.forgetAskerLocked(a)
	}
}

// ask asks until there is an answer, a refusal for good, or ctx ends.
func (a *asker) ask(ctx context.Context, q auth.Question) (auth.Answer, error) {
	p, retry, began := a.pool, firstRetry, loop.Clock()
	var last error
	for {
		home := p.home.Load()
		view := home.discovery.View()
		answer, err := a.try(ctx, home, view, q, began)
		if err == nil {
			return answer, nil
		}
		if refused, ok := errors.AsType[*auth.Unanswered](err); ok {
			return auth.Answer{}, refused
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if ctx.Err() != nil {
			return auth.Answer{}, &auth.Unanswered{Err: fmt.Errorf("%w: %w", ctx.Err(), last), Held: p.Held()}
		}
		p.pause(ctx, view, retry)
		retry = min(2*retry, askSeldom)
	}
}

// try asks once, over the line that is there or over a new one.
func (a *asker) try(ctx context.Context, home *cluster, v *discovery.View, q auth.Question, began int64) (auth.Answer, error) {
	if a.line != nil && !a.fits(v) {
		a.hangUp()
	}
	if a.pool.ordered() == HoldPaused {
		return auth.Answer{}, errNotWanted // until RESUME
	}
	if a.line == nil {
		if err := a.open(ctx, home, v, q, began); err != nil {
			return auth.Answer{}, err
		}
	}
	a.used = loop.Clock()
	answer, err := a.put(ctx, home, v, q)
	var said *wire.Error
	switch {
	case err == nil:
	case !errors.As(err, &said):
		a.hangUp()
	case said.Severity == "FATAL" || said.Severity == "PANIC":
		a.hangUp()
	case !passes(said):
		return answer, &auth.Unanswered{Err: fmt.Errorf("%s: %w", a.on.about, said), Refused: true}
	}
	return answer, err
}

// passes says whether an error is of the moment, not of the question: no resources, an
// operator's word, another transaction.
func passes(e *wire.Error) bool {
	if len(e.Code) != 5 {
		return false
	}
	switch e.Code[:2] {
	case "08", "40", "53", "57", "58":
		return true
	}
	return e.Code == "55P03"
}

// fits reports whether the line's server still leads.
func (a *asker) fits(v *discovery.View) bool {
	if a.line == nil {
		return false
	}
	pl := a.pool.plan(v)
	return pl.hold != HoldPaused && pl.known && pl.has(a.line.member) && pl.keeps(a.line.member.Name, a.line.post, a.line.post.epoch)
}

func (a *asker) hangUp() {
	l := a.line
	if l == nil {
		return
	}
	partFrom(l.conn)
	a.line = nil
	a.pool.owner.quota.giveBack(a.pool)
}
