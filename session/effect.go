package session

import "math/bits"

// state is where a client's transaction stands, as its server sees it.
type state uint8

const (
	idle     state = iota // no transaction
	implicit              // work was done that the next Sync, or the end of the Query, commits
	block                 // in a transaction block
	failed                // in a failed one
	numStates
)

// states is a set of states.
type states uint8

func (s state) set() states         { return 1 << s }
func (set states) has(s state) bool { return set&s.set() != 0 }
func (set states) only() (state, bool) {
	return state(bits.TrailingZeros8(uint8(set))), bits.OnesCount8(uint8(set)) == 1
}

// move is what a request does from one state: the states that it may leave, in
// the low bits, and what may become of work.
type move uint8

const (
	keeps   move = 1 << (numStates + iota) // what the open transaction did before may become durable
	durable                                // what the request itself does may become durable
	same                                   // the transaction open before may be open still
)

const reach move = 1<<numStates - 1

func (m move) out() states { return states(m & reach) }

// effect is what a request may do to a transaction, from each state that it may
// meet. It is how a loss is judged: nobody knows how far the server got, but
// what it may have done is known.
type effect [numStates]move

func to(s state) move { return move(s.set()) }

// unchanged is the effect of what runs nothing.
var unchanged = effect{idle: to(idle) | same, implicit: to(implicit) | same, block: to(block) | same, failed: to(failed) | same}

// failing is the effect of an error: PostgreSQL rolls an implicit transaction
// back, and leaves a block failed.
var failing = effect{idle: to(idle), implicit: to(idle), block: to(failed) | same, failed: to(failed) | same}

// closing is the effect of a Sync and of the end of a Query: an implicit
// transaction is committed.
var closing = effect{idle: to(idle) | same, implicit: to(idle) | keeps | durable, block: to(block) | same, failed: to(failed) | same}

// ofKind is what a statement of a kind does if it does not fail. A state that
// leads nowhere is one in which PostgreSQL refuses it.
var ofKind = [numKinds]effect{
	kindOther:         {idle: to(implicit), implicit: to(implicit) | same, block: to(block) | same},
	kindSet:           {idle: to(implicit), implicit: to(implicit) | same, block: to(block) | same},
	kindPrepare:       {idle: to(implicit), implicit: to(implicit) | same, block: to(block) | same},
	kindHeeds:         {idle: to(implicit), implicit: to(implicit) | same, block: to(block) | same},
	kindEmpty:         unchanged,
	kindBegin:         {idle: to(block), implicit: to(block) | same, block: to(block) | same},
	kindCommit:        {idle: to(idle), implicit: to(idle) | keeps, block: to(idle) | keeps | durable, failed: to(idle)},
	kindCommitChain:   {block: to(block) | keeps | durable, failed: to(block)},
	kindPrepared:      {idle: to(idle), implicit: to(idle) | keeps, block: to(idle) | keeps | durable, failed: to(idle)},
	kindRollback:      {idle: to(idle), implicit: to(idle), block: to(idle), failed: to(idle)},
	kindRollbackChain: {block: to(block), failed: to(block)},
	kindRollbackTo:    {block: to(block) | same, failed: to(block) | same},
	kindSteps:         {idle: to(implicit) | durable, implicit: to(implicit) | same | keeps | durable, block: to(block) | same},
	kindUnknown: {
		idle:     to(idle) | to(implicit) | to(block) | durable,
		implicit: to(idle) | to(implicit) | to(block) | same | keeps | durable,
		block:    to(idle) | to(block) | to(failed) | same | keeps | durable,
		failed:   to(idle) | to(block) | to(failed) | same | durable,
	},
}

// ofError is what an error in a statement of a kind does. What ends a
// transaction ends it also when it fails (PostgreSQL, AbortCurrentTransaction), and
// some cannot fail in some states: what the client sends behind them is where it
// believes it to be.
var ofError = [numKinds]effect{
	kindOther: failing, kindSet: failing, kindPrepare: failing, kindHeeds: failing, kindEmpty: failing, kindRollbackTo: failing, kindSteps: failing, kindUnknown: failing,
	kindBegin:         {failed: to(failed) | same},
	kindCommit:        {implicit: to(idle), block: to(idle)},
	kindPrepared:      {implicit: to(idle), block: to(idle)},
	kindCommitChain:   {idle: to(idle), implicit: to(idle), block: to(idle)},
	kindRollback:      {},
	kindRollbackChain: {idle: to(idle), implicit: to(idle)},
}

func failure(k kind) *effect { return &ofError[k] }

// ofQuery is, by kind, the effect of a Query of one statement.
var ofQuery = func() (all [numKinds]effect) {
	for k := range numKinds {
		all[k] = queryOf(k)
	}
	return all
}()

// queryOf is the effect of a Query of these statements: each may fail, and then
// those behind it are not run.
func queryOf(kinds ...kind) effect {
	var q query
	q.begin()
	for _, k := range kinds {
		q.add(k)
	}
	return q.end()
}

// query adds up the statements of a Query.
type query struct {
	running effect // nothing has failed so far
	stopped effect // something has
}

func (q *query) begin() { *q = query{running: unchanged} }

func (q *query) add(k kind) {
	q.stopped = q.stopped.or(q.running.then(failure(k)))
	q.running = q.running.then(&ofKind[k])
}

func (q *query) end() effect { return q.stopped.or(q.running.then(&closing)) }

// then is a and, behind it, b.
func (a effect) then(b *effect) (both effect) {
	for s := range a {
		both[s] = a[s] &^ (reach | same)
		for next := range numStates {
			if !a[s].out().has(next) {
				continue
			}
			m := b[next]
			both[s] |= m & (reach | durable)
			if m&keeps != 0 {
				both[s] |= durable // a's own work is in the transaction that b keeps
				if a[s]&same != 0 {
					both[s] |= keeps
				}
			}
			both[s] |= a[s] & m & same
		}
	}
	return both
}

// or is either of the two.
func (a effect) or(b effect) effect {
	for s := range a {
		a[s] |= b[s]
	}
	return a
}

// from is where a request may lead from any of set.
func (a *effect) from(set states) (out states) {
	for s := range numStates {
		if set.has(s) {
			out |= a[s].out()
		}
	}
	return out
}
