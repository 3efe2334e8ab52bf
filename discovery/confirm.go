package discovery

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"portero/config"
)

// A leader that nobody confirms may have lost its key without Portero being told: etcd
// is out of reach for Portero alone, Patroni hangs beside a postgres that goes on, and
// another has been promoted. So a leader is used for a while only after it was last
// confirmed. A read of etcd confirms all leaders, and Patroni the one that it looks
// after: its /primary answers 200 as long as it holds the lock, in failsafe mode too
// (patroni/ha.py, is_leader).

// confirmations is when leaders were last confirmed. It is guarded by Cluster.mu.
type confirmations struct {
	byEtcd    time.Time         // all of them
	byPatroni map[int]time.Time // by group
}

// read takes a read of all keys that was believed, and that began at asked.
func (c *confirmations) read(asked time.Time) {
	*c = confirmations{byEtcd: asked}
}

// answered takes the answer of a group's leader to a question that was asked at asked.
func (c *confirmations) answered(group int, asked time.Time) {
	if c.byPatroni == nil {
		c.byPatroni = make(map[int]time.Time)
	}
	if asked.After(c.byPatroni[group]) {
		c.byPatroni[group] = asked
	}
}

// mark notes in the groups of a stale view whose leader is not to be used any longer.
// The limit is over when it would be before the next look.
func (c *confirmations) mark(groups map[int]*Group, now time.Time) {
	for id, g := range groups {
		last := c.byEtcd
		if at := c.byPatroni[id]; at.After(last) {
			last = at
		}
		g.Unconfirmed = g.StaleLimit > 0 && now.Sub(last) > g.StaleLimit-ageEvery
	}
}

const (
	// askEvery is how often Patroni is asked, askTimeout how long it may take.
	askEvery   = time.Second
	askTimeout = 750 * time.Millisecond
)

// asker asks Patroni at the leader of each group whether it leads, while the View is
// stale. One goroutine owns it.
type asker struct {
	cluster *Cluster
	tls     config.ClientTLS
}

// newAsker fails on certificates that cannot be read.
func newAsker(c *Cluster, secure config.ClientTLS) (*asker, error) {
	if _, err := tlsConfig(secure, "patroni:0"); err != nil {
		return nil, fmt.Errorf("rest: %w", err)
	}
	return &asker{c, secure}, nil
}

// run asks until ctx ends.
func (a *asker) run(ctx context.Context) {
	for {
		v := a.cluster.View()
		if !v.Stale {
			select {
			case <-ctx.Done():
				return
			case <-v.Replaced():
				continue
			}
		}
		next := time.After(askEvery)
		a.askAll(ctx, v)
		select {
		case <-ctx.Done():
			return
		case <-next:
		}
	}
}

// askAll asks the leaders of all groups at once: one that does not answer is in no
// other's way.
func (a *asker) askAll(ctx context.Context, v *View) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var asking sync.WaitGroup
	for id, g := range v.Groups {
		if m, ok := g.Member(g.Holder()); ok && m.REST != "" {
			asking.Go(func() { a.ask(ctx, id, m) })
		}
	}
	asking.Wait()
}

// ask asks one. Whatever is not a plain yes confirms nothing.
func (a *asker) ask(ctx context.Context, group int, m Member) {
	asked := time.Now()
	if err := a.primary(ctx, m.REST); err != nil {
		a.cluster.log.Debug("leader not confirmed by patroni", "group", group, "member", m.Name, "reason", err)
		return
	}
	a.cluster.change(func() bool {
		g := a.cluster.source.groups()[group]
		if g == nil || g.Holder() != m.Name {
			return false
		}
		a.cluster.confirmed.answered(group, asked)
		return true
	})
}

// refused is an answer of Patroni that is not 200.
type refused string

func (r refused) Error() string { return "it answers " + string(r) }

// primary asks for /primary over a connection of its own, so that no old one is taken
// for a sign of life. A redirect is no answer, nor is what a proxy says.
func (a *asker) primary(ctx context.Context, address string) error {
	to, err := url.Parse(address)
	if err != nil {
		return err
	}
	way := &http.Transport{DialContext: new(net.Dialer).DialContext, DisableKeepAlives: true}
	if to.Scheme == "https" {
		if way.TLSClientConfig, err = tlsConfig(a.tls, to.Host); err != nil {
			return err
		}
		way.TLSClientConfig.NextProtos = nil // HTTP/2, which is for etcd
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/primary", nil)
	if err != nil {
		return err
	}
	answer, err := way.RoundTrip(request)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return refused(answer.Status)
	}
	return nil
}
