package pool

import (
	"context"
	"time"

	"portero/metrics"
)

// Pause holds the clients of a database, and closes its servers as they are released: at the
// end of a transaction, in session mode when the client leaves. It blocks until all are closed.
// If ctx ends first the order is undone, unless it stood before. Any goroutine but a loop.
func (ps *Pools) Pause(ctx context.Context, database string) error {
	if err := ps.known(database); err != nil {
		return err
	}
	stood := false
	err := ps.orders.change(func(s *standingOrders) error {
		switch {
		case s.all, s.suspended:
			return ErrPaused
		case database == "":
			s.all = true
		default:
			stood, s.paused[database] = s.paused[database], true
		}
		return nil
	})
	if err != nil {
		return err
	}
	ps.logOrder("PAUSE", database)
	err = ps.awaitPools(ctx, database, HoldPaused, (*Pool).isEmpty)
	if err != nil && ctx.Err() != nil && !stood {
		ps.takeBack("PAUSE", database)
	}
	return err
}

// Suspend holds the clients of all databases, and blocks until no server is lent, but to clients
// that replicate, which would not give theirs back and go on. Idle servers stay open. If ctx ends first the order is undone. Any goroutine but a loop.
func (ps *Pools) Suspend(ctx context.Context) error {
	err := ps.orders.change(func(s *standingOrders) error {
		if s.all || s.suspended {
			return ErrPaused
		}
		s.suspended = true
		return nil
	})
	if err != nil {
		return err
	}
	ps.logOrder("SUSPEND", "")
	err = ps.awaitPools(ctx, "", HoldSuspended, (*Pool).isQuiet)
	if err != nil && ctx.Err() != nil {
		ps.takeBack("SUSPEND", "")
	}
	return err
}

// Resume ends what Pause, Suspend or Kill has begun for the same database. It does not block.
func (ps *Pools) Resume(database string) error {
	if err := ps.known(database); err != nil {
		return err
	}
	err := ps.orders.resume(database, ps.limits().ServerConnectTimeout)
	if err == nil {
		ps.logOrder("RESUME", database)
	}
	return err
}

// takeBack ends an order whose asker has gone before it was carried out.
func (ps *Pools) takeBack(command, database string) {
	if ps.orders.resume(database, ps.limits().ServerConnectTimeout) == nil { // else somebody else has ended it
		ps.log.Info("order taken back, as nobody waits for it any more", "command", command, "database", database)
	}
}

// logOrder says what an operator has ordered; of all databases if that is "".
func (ps *Pools) logOrder(command, database string) {
	ps.log.Info("order", "command", command, "database", database)
}

// Disable has new clients of a database refused; those who are there stay. Enable ends it.
func (ps *Pools) Disable(database string) error { return ps.disable("DISABLE", database, true) }

// Enable ends what Disable has begun.
func (ps *Pools) Enable(database string) error { return ps.disable("ENABLE", database, false) }

func (ps *Pools) disable(command, database string, yes bool) error {
	if database == "" {
		return ErrNoDatabase
	}
	if err := ps.known(database); err != nil {
		return err
	}
	ps.logOrder(command, database)
	return ps.orders.change(func(s *standingOrders) error {
		if delete(s.disabled, database); yes {
			s.disabled[database] = true
		}
		return nil
	})
}

// Kill holds the clients of a database until Resume, and closes its servers: those that are
// idle at once, those that are lent with their clients, which the caller ends next. It does not
// block.
func (ps *Pools) Kill(database string) error {
	if err := ps.known(database); err != nil {
		return err
	}
	err := ps.orders.change(func(s *standingOrders) error {
		switch {
		case s.all, s.suspended:
			return ErrPaused
		case database == "":
			s.all = true
		default:
			s.paused[database] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	ps.logOrder("KILL", database)
	ps.retireAll(database, metrics.Killed)
	return nil
}

// Reconnect has the servers of a database be replaced: those that are idle at once, the others
// when they come back. It does not block.
func (ps *Pools) Reconnect(database string) error {
	if err := ps.known(database); err != nil {
		return err
	}
	ps.logOrder("RECONNECT", database)
	renewed := ps.renewEars(func(p *Pool) bool { return p.Serves(database) })
	ps.retireAll(database, metrics.ServerRenewed)
	leave(renewed)
	return nil
}

func (ps *Pools) retireAll(database string, why metrics.Reason) {
	for _, p := range ps.all() {
		if p.Serves(database) {
			p.retire(why)
		}
	}
}

// WaitClose blocks until no server of a database is left that is to be closed when it comes
// back, by Reconnect for example. Any goroutine but a loop.
func (ps *Pools) WaitClose(ctx context.Context, database string) error {
	if err := ps.known(database); err != nil {
		return err
	}
	return ps.awaitPools(ctx, database, NotHeld, (*Pool).isRenewed)
}

// lookAgain is how often an order that waits looks at the pools: it is an operator who waits.
const lookAgain = 2 * time.Millisecond

// awaitPools waits until all pools of a database are as wanted, as long as the order stands
// that it is waited for.
func (ps *Pools) awaitPools(ctx context.Context, database string, order Hold, wanted func(p *Pool) bool) error {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		s := ps.orders.stand.Load()
		if order != NotHeld && s.of([]string{database}) != order {
			return errResumed
		}
		if ps.areAll(database, wanted) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ps.ctx.Done():
			return ps.ctx.Err()
		case <-again.C:
		}
	}
}

func (ps *Pools) areAll(database string, wanted func(p *Pool) bool) bool {
	for _, p := range ps.all() {
		if p.Serves(database) && !wanted(p) {
			return false
		}
	}
	return true
}

// isEmpty reports whether the pool has followed a PAUSE to its end: no connection to a server
// is left, and none is on its way.
func (p *Pool) isEmpty() bool {
	if p.ear.isOpen() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now.hold == HoldPaused && len(p.servers) == 0 && p.opening == 0 && p.warm.to == "" && p.closing.Load() == 0
}

// isQuiet reports whether the pool has followed a SUSPEND to its end.
func (p *Pool) isQuiet() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now.hold == HoldSuspended && (p.lent == 0 || p.Key.Replicates()) && p.opening == 0
}

// isRenewed reports whether no server of the pool is to be closed.
func (p *Pool) isRenewed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.servers {
		if s.condemned != metrics.None {
			return false
		}
	}
	return p.closing.Load() == 0
}
