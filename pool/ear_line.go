package pool

import (
	"errors"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/discovery"
	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// line is an ear's connection. It belongs to the goroutine of run, but for what
// read has to say.
type line struct {
	conn   net.Conn
	stream *wire.Stream
	home   *cluster
	member discovery.Member
	pid    uint32
	view   *discovery.View
	epoch  uint64
	on     map[string]struct{} // channels listened to, or about to be
	asked  int64               // when the last round was sent
	since  int64               // since when nobody listens; 0: somebody does
	looked time.Duration       // the last pause between two looks whether it can be closed; 0: it is not to be
	last   uint64              // the round behind which it is closed, as an order wants it; 0: none does
	ended  chan struct{}       // closed when read has ended

	// Of read, until it has ended.
	problem  error // why it has
	answered bool  // a round was
}

const (
	// lingers is how long an ear without clients is kept for the next one.
	lingers = time.Second
	// lookSeldom is the longest pause between two looks whether an ear can be closed.
	lookSeldom = 50 * time.Millisecond
	// maxHeard is the largest message that an ear takes, in bytes.
	maxHeard = 64 << 10
)

var (
	errNoLeader = errors.New("there is no leader")
	errSilent   = errors.New("the server does not answer")
	errRenewed  = errors.New("another connection is wanted")
)

// run is the ear's goroutine. It ends with the pool, or when nobody listens.
func (a *ear) run() {
	p := a.pool
	defer p.owner.openers.Done()
	retry := firstRetry
	for !a.over() {
		home := p.home.Load()
		view := home.discovery.View()
		l, err := a.open(home, view)
		if err == nil {
			p.log.Info("ear opened", "member", l.member.Name, "address", l.member.Address, "pid", l.pid, "epoch", l.epoch)
			err = a.attend(l)
			a.hangUp(l, err)
			if l.answered {
				retry = firstRetry
			}
		} else {
			a.notOpened(err)
		}
		if err != nil {
			p.pause(p.ctx, view, retry)
			retry = min(2*retry, askSeldom)
		}
	}
}

// over ends the ear if there is nothing to do.
func (a *ear) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = a.pool.ctx.Err() == nil && (a.neededLocked() || len(a.channels) > 0 && !a.pausesLocked())
	return !a.running
}

func (a *ear) notOpened(err error) {
	p := a.pool
	if p.ctx.Err() != nil || err == errNotWanted {
		return
	}
	p.mu.Lock()
	p.troubledLocked(inWords(err))
	loud := err != errNoLeader && p.mayWarnLocked()
	p.mu.Unlock()
	p.log.Log(p.ctx, levelOf(loud), "ear not opened", "error", err)
}

// attend sends rounds over the connection until it is lost or not wanted any more.
func (a *ear) attend(l *line) error {
	go a.read(l)
	limits := a.pool.owner.limits()
	for {
		if why := a.leaves(l); why != nil {
			return why
		}
		text, due := a.next(l)
		if due {
			l.conn.SetWriteDeadline(time.Now().Add(limits.ServerConnectTimeout)) //nolint:errcheck // a closed connection fails at its first use
			if err := l.stream.Write(&pgproto3.Query{String: text}); err != nil {
				return err
			}
		}
		wait := time.NewTimer(a.patience(l))
		select {
		case <-a.stir:
		case <-l.ended:
			return l.problem
		case <-l.view.Replaced():
			l.view = l.home.discovery.View()
			if g := l.view.Groups[a.pool.Key.Group]; g != nil && g.Epoch != l.epoch {
				return errMoved
			}
		case <-wait.C:
			if err := a.timeIsUp(l); err != nil {
				return err
			}
		case <-a.pool.ctx.Done():
			return errNotWanted
		}
		wait.Stop()
	}
}

// next is the Query of the next round, if it is due.
func (a *ear) next(l *line) (text string, due bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := loop.Clock()
	if len(a.channels) > 0 {
		l.since = 0
	} else if l.since == 0 {
		l.since = now
	}
	if a.asking {
		return "", false
	}
	var sql strings.Builder
	for name := range a.changed {
		_, wanted := a.channels[name]
		_, on := l.on[name]
		switch {
		case wanted && !on:
			l.on[name] = struct{}{}
			sql.WriteString("LISTEN " + quoteChannel(name) + ";")
		case on && !wanted:
			delete(l.on, name)
			sql.WriteString("UNLISTEN " + quoteChannel(name) + ";")
		}
	}
	clear(a.changed)
	delay := int64(a.pool.owner.limits().ServerCheckDelay)
	if sql.Len() == 0 && len(a.errands) == 0 && a.sent >= l.last && (delay == 0 || l.asked == 0 || now-l.asked < delay) {
		return "", false
	}
	a.asking, l.asked = true, now
	a.sent++
	return sql.String(), true
}

func quoteChannel(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// patience is how long there is nothing to do but to hear.
func (a *ear) patience(l *line) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	limits := a.pool.owner.limits()
	now, at := loop.Clock(), int64(0)
	if a.toLeaveLocked(l) != nil { // a look is one at all pools
		l.looked = min(max(lookAgain, 2*l.looked), lookSeldom)
		return l.looked
	}
	l.looked = 0
	switch {
	case a.asking:
		at = l.asked + int64(limits.ServerConnectTimeout)
	case l.since != 0:
		at = l.since + int64(lingers)
	case limits.ServerCheckDelay > 0:
		at = l.asked + int64(limits.ServerCheckDelay)
	default:
		return time.Hour
	}
	return max(time.Millisecond, time.Duration(at-now))
}

// timeIsUp says why the connection is to be closed, if it is.
func (a *ear) timeIsUp(l *line) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := loop.Clock()
	switch {
	case a.asking && now-l.asked >= int64(a.pool.owner.limits().ServerConnectTimeout):
		return errSilent
	case !a.asking && l.since != 0 && now-l.since >= int64(lingers) && !a.neededLocked():
		return errNotWanted
	}
	return nil
}

// hangUp closes the connection. Those who only wished to know what it has heard
// have their answer: it hears nothing more.
func (a *ear) hangUp(l *line, why error) {
	p := a.pool
	l.conn.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck // likewise
	l.conn.Write(terminate)                              //nolint:errcheck // a courtesy
	l.conn.Close()
	<-l.ended
	p.owner.quota.giveBack(p)
	a.mu.Lock()
	a.connected, a.asking = false, false
	a.missed = a.missed || len(a.channels) > 0
	done := a.returnLocked(func(e errand) bool { return e.only })
	a.mu.Unlock()
	for _, e := range done {
		e.returned()
	}
	switch why {
	case errNotWanted:
		p.log.Info("ear closed", "member", l.member.Name, "pid", l.pid)
	case errRenewed:
		reason := metrics.ServerRenewed
		if p.home.Load() != l.home {
			reason = metrics.Reconfigured
		}
		p.log.Info("ear closed", "member", l.member.Name, "pid", l.pid, "reason", reason.String())
	case errMoved:
		p.log.Info("ear closed", "member", l.member.Name, "pid", l.pid, "reason", metrics.EpochMoved.String())
	default:
		p.log.Warn("ear lost", "member", l.member.Name, "pid", l.pid, "error", why)
		l.home.discovery.Doubt(p.Key.Group, l.member.Name)
	}
}

// read hears what the server says, until it is gone or has refused something.
func (a *ear) read(l *line) {
	defer close(l.ended)
	for {
		f, err := l.stream.Read(maxHeard)
		if err != nil {
			l.problem = err
			return
		}
		switch f.Type {
		case 'A':
			a.notified(l, f.Body)
		case 'E':
			l.problem = wire.ParseError(f.Body)
			return
		case 'Z':
			l.answered = true
			a.answered()
		}
	}
}

// notified takes a notification.
func (a *ear) notified(l *line, body []byte) {
	var n pgproto3.NotificationResponse
	if n.Decode(body) != nil {
		return
	}
	n.PID = a.pool.owner.backends.senderOf(l.member.Address, n.PID)
	frame := wire.Append(nil, &n)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heardLocked(n.Channel, frame, a.completed)
}

// answered takes the end of a round.
func (a *ear) answered() {
	a.mu.Lock()
	if a.missed {
		a.missed = false
		a.heardLocked(ResumedChannel, wire.Append(nil, &pgproto3.NotificationResponse{Channel: ResumedChannel}), a.completed)
	}
	a.completed, a.asking = a.sent, false
	if !a.leaving {
		a.hearsLocked()
	}
	done := a.returnLocked(func(e errand) bool { return e.round <= a.completed })
	a.mu.Unlock()
	for _, e := range done {
		e.returned()
	}
	a.stirred()
}
