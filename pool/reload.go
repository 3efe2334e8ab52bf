package pool

import (
	"portero/auth"
	"portero/config"
	"portero/discovery"
	"portero/metrics"
)

// A reload changes limits where they are read, and leaves all pools where they are.
// Of a cluster whose configuration has changed another one is opened, to which its
// pools move with all who wait in them: what is idle is closed, and what is lent is
// closed when it comes back. Until then the old cluster is followed, so that a
// transaction that has begun there is cut off as ever when its leader is lost.

// Change is a new configuration whose clusters have been opened, and which is not in
// force yet. It ends with Apply or with Abandon.
type Change struct {
	pools    *Pools
	cfg      *config.Config
	clusters map[string]*cluster // all of the configuration; those that stay among them
	safeties map[string]*safety
	opened   []*cluster
}

// Prepare opens what a configuration has and the one in force has not. It blocks on
// files only. After an error nothing is open that was not before.
func (ps *Pools) Prepare(cfg *config.Config) (*Change, error) {
	ch := &Change{pools: ps, cfg: cfg, clusters: make(map[string]*cluster), safeties: make(map[string]*safety)}
	for _, c := range cfg.Clusters {
		if err := ch.add(c); err != nil {
			ch.Abandon()
			return nil, err
		}
	}
	return ch, nil
}

func (ch *Change) add(c config.Cluster) error {
	if cl := ch.pools.clusters()[c.Name]; cl != nil && cl.print == c.Fingerprint() {
		ch.clusters[c.Name] = cl
		how, err := safetyBy(c.TLS) // the same files, but they may have other certificates now
		ch.safeties[c.Name] = how
		return err
	}
	d, err := discovery.Open(c, ch.pools.log)
	if err != nil {
		return err
	}
	cl, err := ch.pools.newCluster(c, d)
	if err != nil {
		d.Close()
		return err
	}
	ch.clusters[c.Name], ch.opened = cl, append(ch.opened, cl)
	return nil
}

// Abandon closes what Prepare has opened.
func (ch *Change) Abandon() {
	for _, cl := range ch.opened {
		cl.stop()
		cl.discovery.Close()
	}
}

// Apply puts the configuration in force. servers is how many there may be at one time.
// Clients find their way by themselves: see Pool.Move.
func (ch *Change) Apply(servers int) {
	ps := ch.pools
	ps.settings.Store(ch.cfg)
	ps.quota.resize(servers)
	for name, how := range ch.safeties {
		ch.clusters[name].safety.Store(how)
	}
	for name, cl := range ch.clusters {
		cl.measured.Store(ch.cfg.MeasuresLag(name))
	}
	ps.mu.Lock()
	for name, cl := range ps.clusters() {
		if ch.clusters[name] != cl {
			ps.former = append(ps.former, cl)
			ps.chronicles.replace(name)
		}
	}
	ps.current.Store(&ch.clusters)
	ps.mu.Unlock()
	for _, cl := range ch.opened {
		cl.begin()
	}
	moves := func(p *Pool) bool { return ch.clusters[p.Key.Cluster] != p.home.Load() }
	renewed := ps.renewEars(func(p *Pool) bool { return moves(p) && ch.clusters[p.Key.Cluster] != nil })
	for _, p := range ps.all() {
		if moves(p) {
			p.move(ch.clusters[p.Key.Cluster])
		}
	}
	leave(renewed)
	for _, cl := range ch.clusters {
		cl.lags.stir() // who follows it looks at it anew
	}
}

// move takes the pool to another cluster; nil: its own is not in the configuration any
// more, and it ends with its last client.
func (p *Pool) move(cl *cluster) {
	p.mu.Lock()
	if cl != nil {
		p.home.Store(cl)
		p.epoch, p.opened, p.saidIn = 0, 0, 0
		clear(p.welcomes)
		clear(p.objections)
		clear(p.shunned)
	}
	p.recallLocked()
	for s := range p.servers {
		if s.condemned == metrics.None {
			s.condemned = metrics.Reconfigured
		}
	}
	idle := p.takeUnusedLocked(all)
	p.heirs, p.heirsUntil = 0, 0
	if p.wanted = 0; cl != nil {
		p.wanted = len(idle)
	}
	cold := p.coolLocked()
	p.mu.Unlock()
	p.hangUpAll(cold)
	for _, s := range idle {
		p.destroy(s, metrics.Reconfigured)
	}
	p.ear.stirred()
	if cl != nil {
		p.follow(cl, cl.discovery.View())
	}
}

// followFormer cuts off what is still at work on servers of a cluster that the pool
// has left, where that is over by a view of it.
func (p *Pool) followFormer(cl *cluster, v *discovery.View) {
	pl := p.planAt(cl, v)
	p.mu.Lock()
	var over []*Server
	for s := range p.servers {
		if s.home == cl && s.state == stateLent && !pl.keeps(s.member, s.post, s.post.epoch) && !pl.lets(s.member, s.post) {
			over = append(over, s)
		}
	}
	p.mu.Unlock()
	for _, s := range over {
		p.cut(s, pl.parting(s.member, s.post))
	}
}

// endFormer ends the clusters that were replaced and have no server any more, and the
// pools whose cluster is one of them.
func (ps *Pools) endFormer() {
	ps.mu.Lock()
	former := ps.former
	ps.mu.Unlock()
	for _, cl := range former {
		if !ps.isLeft(cl) {
			continue
		}
		ps.mu.Lock()
		for i, f := range ps.former {
			if f == cl {
				ps.former = append(ps.former[:i:i], ps.former[i+1:]...)
				break
			}
		}
		ps.mu.Unlock()
		cl.stop()
		cl.discovery.Close()
	}
}

// isLeft reports whether no pool uses a cluster. Those that are of no use to anybody
// end.
func (ps *Pools) isLeft(cl *cluster) bool {
	left := true
	for _, p := range ps.all() {
		p.mu.Lock()
		at := p.home.Load() == cl
		over := at && p.clients == 0 && len(p.servers) == 0 && p.opening == 0
		uses := at && !over
		for s := range p.servers {
			uses = uses || s.home == cl
		}
		p.mu.Unlock()
		if over {
			ps.end(p)
		}
		left = left && !uses
	}
	return left
}

// end drops a pool that nobody has.
func (ps *Pools) end(p *Pool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients == 0 && len(p.servers) == 0 {
		p.dropLocked()
	}
}

// Agree gives the pool other terms. All who have come with its key agree on them. Any
// goroutine.
func (p *Pool) Agree(terms Terms) {
	if *p.terms() == terms {
		return
	}
	p.mu.Lock()
	p.agreed.Store(&terms)
	p.heirs, p.wanted = min(p.heirs, terms.Size), min(p.wanted, terms.Size)
	surplus := len(p.servers) - terms.Size
	idle := p.takeIdleLocked(func(*Server) bool { surplus--; return surplus >= 0 })
	p.openLocked()
	p.mu.Unlock()
	p.owner.quota.look() // its bounds may be wider
	for _, s := range idle {
		p.destroy(s, metrics.Reconfigured)
	}
}

// Move counts a client out of the pool and into that of another key, and returns it. name
// and c are as for Rejoin. An error is of type *Refused, and leaves him where he is. Any goroutine.
func (p *Pool) Move(name string, key Key, terms Terms, c auth.Credentials) (*Pool, error) {
	next, err := p.owner.Rejoin(name, key, terms, c)
	if err == nil {
		p.Leave()
	}
	return next, err
}

// oversizedLocked reports whether the pool has more servers than it may have. Those of the
// reserve stay until they have been idle for long enough.
func (p *Pool) oversizedLocked() bool {
	return len(p.servers) > p.ordinary()+p.reserved
}

// resize changes how many servers there may be. What is too many is closed by and by.
func (q *quota) resize(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.size = n
	q.grantLocked()
}

// look grants what there is room for, as a bound has changed.
func (q *quota) look() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.changed = true
	q.grantLocked()
}

// stir has whoever follows the cluster look at it again.
func (l *lags) stir() {
	select {
	case l.moved <- struct{}{}:
	default:
	}
}
