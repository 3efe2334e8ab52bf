package pool

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"portero/metrics"
	"portero/wire"
)

// What operators order for databases, in PgBouncer's words: PAUSE, RESUME, DISABLE and so
// on. A database goes by the name that clients have for it; "" is all of them.
// What is ordered for one holds for its pools, those too that are made later.
//
// An order is no more than a reason to hold (HoldPaused), of which plans are made as of any
// other. So a leader that moves meanwhile is followed as ever, and serves nobody until RESUME.

// orders is the one place where orders are kept.
type orders struct {
	mu    sync.Mutex // held while they are changed
	stand atomic.Pointer[standingOrders]
}

// standingOrders is the orders that stand at one moment. It is never changed.
type standingOrders struct {
	all       bool               // PAUSE of all databases
	suspended bool               // SUSPEND
	paused    map[string]bool    // by the name of the database
	disabled  map[string]bool    // likewise
	deaf      map[*ear]time.Time // see deaf.go
	replaced  chan struct{}      // closed when others stand
}

// Errors of orders.
var (
	ErrNoDatabase = errors.New("no such database")
	ErrPaused     = errors.New("already suspended/paused")
	ErrNotPaused  = errors.New("pooler is not paused/suspended")
	errResumed    = errors.New("resumed meanwhile")
)

// notPaused is ErrNotPaused for one database, by its name.
type notPaused string

func (n notPaused) Error() string        { return "database " + string(n) + " is not paused" }
func (n notPaused) Is(target error) bool { return target == ErrNotPaused }

// errDisabled tells a client that DISABLE keeps it out.
func errDisabled(database string) error {
	return &Refused{metrics.DatabaseDisabled, &wire.Error{
		Severity: "FATAL", Code: "55000", Message: "database does not allow connections: " + database,
		Hint: "An operator has disabled it (DISABLE); ENABLE ends that.",
	}}
}

func (o *orders) init() { o.stand.Store(&standingOrders{replaced: make(chan struct{})}) }

// change replaces the orders by what edit makes of a copy, unless it has an error.
func (o *orders) change(edit func(s *standingOrders) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	old := o.stand.Load()
	next := &standingOrders{
		all: old.all, suspended: old.suspended, paused: maps.Clone(old.paused), disabled: maps.Clone(old.disabled),
		deaf: maps.Clone(old.deaf), replaced: make(chan struct{}),
	}
	if next.paused == nil {
		next.paused, next.disabled, next.deaf = make(map[string]bool), make(map[string]bool), make(map[*ear]time.Time)
	}
	if err := edit(next); err != nil {
		return err
	}
	o.stand.Store(next)
	close(old.replaced)
	return nil
}

// repeat has the same orders be followed again: a pool has a name more.
func (o *orders) repeat() {
	o.change(func(*standingOrders) error { return nil }) //nolint:errcheck // it has none
}

// resume ends PAUSE, SUSPEND and KILL for a database. For so long at most its clients wait until
// those are heard for who listen.
func (o *orders) resume(database string, patience time.Duration) error {
	return o.change(func(s *standingOrders) error {
		before := *s
		before.paused = maps.Clone(s.paused)
		defer s.listenAgain(&before, time.Now().Add(patience))
		switch {
		case database == "" && !s.all && !s.suspended:
			return ErrNotPaused
		case database == "":
			s.all, s.suspended = false, false
		case !s.paused[database]:
			return notPaused(database)
		}
		delete(s.paused, database)
		return nil
	})
}

// ofAll is the order that holds for all databases.
func (s *standingOrders) ofAll() Hold {
	switch {
	case s.all:
		return HoldPaused
	case s.suspended:
		return HoldSuspended
	}
	return NotHeld
}

// Holding is what is ordered for all databases: paused, suspended or "" for neither. Any
// goroutine.
func (ps *Pools) Holding() string { return ps.orders.stand.Load().ofAll().String() }

// of is the order that holds for a database with these names.
func (s *standingOrders) of(names []string) Hold {
	if s.all || slices.ContainsFunc(names, func(name string) bool { return s.paused[name] }) {
		return HoldPaused
	}
	return s.ofAll()
}

// names are what clients call a pool's database.
type names struct {
	all atomic.Pointer[[]string]
}

// maxNames bounds the names that clients give to one database.
const maxNames = 64

// add notes that a client calls the database so, and reports whether that is new. Guarded by
// Pools.mu.
func (n *names) add(name string) bool {
	old := n.list()
	if slices.Contains(old, name) || len(old) >= maxNames {
		return false
	}
	all := append(slices.Clone(old), name)
	n.all.Store(&all)
	return true
}

func (n *names) list() []string {
	if all := n.all.Load(); all != nil {
		return *all
	}
	return nil
}

// Serves reports whether a pool is one of a database's; "" is all databases. Any goroutine.
func (p *Pool) Serves(database string) bool {
	return database == "" || slices.Contains(p.names.list(), database)
}

// ordered is what operators have ordered for the pool. Any goroutine.
func (p *Pool) ordered() Hold {
	return p.owner.orders.stand.Load().of(p.names.list())
}

// disabled reports whether the pool's new clients are refused.
func (p *Pool) disabled() bool {
	s := p.owner.orders.stand.Load()
	return slices.ContainsFunc(p.names.list(), func(name string) bool { return s.disabled[name] })
}

// Ordered is what is ordered for a database. Any goroutine.
func (ps *Pools) Ordered(database string) (paused, disabled bool) {
	s := ps.orders.stand.Load()
	return s.of([]string{database}) != NotHeld, s.disabled[database]
}

// Orders are those that outlive the process: another that takes its place begins with them. A
// SUSPEND is none, as it ends with the client that has asked for it.
type Orders struct {
	All              bool // PAUSE of all databases
	Paused, Disabled []string
}

// Orders are those that stand. Any goroutine.
func (ps *Pools) Orders() Orders {
	s := ps.orders.stand.Load()
	return Orders{s.all, slices.Sorted(maps.Keys(s.paused)), slices.Sorted(maps.Keys(s.disabled))}
}

// Begin has the orders of another process stand. Call it before there is a pool.
func (ps *Pools) Begin(o Orders) {
	ps.orders.change(func(s *standingOrders) error { //nolint:errcheck // it has none
		s.all = o.All
		for _, database := range o.Paused {
			s.paused[database] = true
		}
		for _, database := range o.Disabled {
			s.disabled[database] = true
		}
		return nil
	})
}

// known is an error if nobody can mean anything by the name of a database.
func (ps *Pools) known(database string) error {
	if database == "" {
		return nil
	}
	for _, r := range ps.settings.Load().Routes {
		if r.Database == "*" || r.Database == database {
			return nil
		}
	}
	for _, p := range ps.all() {
		if p.Serves(database) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrNoDatabase, database)
}
