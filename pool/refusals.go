package pool

import (
	"slices"
	"time"

	"portero/wire"
)

// rememberFor is how long a login that a server has refused for good is
// answered from memory. A role or database made meanwhile waits as long.
const rememberFor = 2 * time.Second

// maxRefusals bounds what is remembered: a storm of other names pushes out the
// oldest, and costs a login each.
const maxRefusals = 256

// refusals remembers the logins that servers have refused for good, so that
// clients that ask again and again do not become logins to servers. The zero
// value is empty. Guarded by Pools.mu.
type refusals struct {
	said  map[attempt]refusal
	order []attempt // oldest first
}

// attempt is a login as far as its outcome depends on it. It holds no secret.
type attempt struct {
	key    Key
	secret [32]byte // fingerprint
}

type refusal struct {
	error *wire.Error // the server's
	until int64       // of the process clock
}

func (r *refusals) remember(a attempt, e *wire.Error, now int64) {
	if r.said == nil {
		r.said = make(map[attempt]refusal)
	}
	if _, known := r.said[a]; known {
		r.order = slices.DeleteFunc(r.order, func(o attempt) bool { return o == a })
	}
	r.order = append(r.order, a)
	r.said[a] = refusal{e, now + int64(rememberFor)}
	r.forget(len(r.order)-maxRefusals, now)
}

// recall returns what a server said to the same attempt a moment ago, nil for
// nothing.
func (r *refusals) recall(a attempt, now int64) *wire.Error {
	if e, known := r.said[a]; known && now < e.until {
		return e.error
	}
	return nil
}

// forget drops the oldest n, and those whose time is over.
func (r *refusals) forget(n int, now int64) {
	for len(r.order) > 0 && (n > 0 || r.said[r.order[0]].until <= now) {
		delete(r.said, r.order[0])
		r.order = slices.Delete(r.order, 0, 1)
		n--
	}
}
