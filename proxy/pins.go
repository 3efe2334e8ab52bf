package proxy

import (
	"fmt"

	"portero/config"
	"portero/metrics"
	"portero/session"
	"portero/wire"
)

// pinning is what becomes of what a client of a route cannot take to another
// server. In session mode it never has to.
func pinning(r *config.Route, m mode) session.Pinning {
	switch {
	case m == modeSession, r.PinPolicy == "allow":
		return session.PinningAllow
	case r.PinPolicy == "error":
		return session.PinningError
	}
	return session.PinningPin
}

// repin counts and tells why the client keeps its server, where that has
// changed, and ends a client that is one too many.
func (r *relay) repin() metrics.Reason {
	before, now := r.pins, r.sess.Pins()
	if now == before {
		return metrics.None
	}
	r.pins = now
	pinned := r.at.Pin(before, now)
	if most := r.c.route.MaxPinned; before == 0 && most > 0 && pinned > most {
		e := wire.Fatal(wire.TooManyConnections, "too many clients are pinned to their servers (max_pinned = %d)", most)
		e.Detail = "This one has: " + now.String() + "."
		e.Hint = `Do without in transaction mode, use a route with pool_mode = "session", or raise max_pinned.`
		r.tell(e)
		return metrics.TooManyPinned
	}
	if now&session.PinSettings != 0 && r.sess.Pinning() == session.PinningError {
		r.tell(r.tooManySettings())
		return metrics.TooManyPinned
	}
	if news := now &^ r.c.seldom().pinsTold; news != 0 {
		r.c.needRare().pinsTold |= news
		r.c.proxy.log.Info("client pinned to its server", "id", r.c.id, "address", r.c.address(), "user", r.c.person.name,
			"database", r.at.Key.Database, "reason", news.String(), "member", r.claim.Server.Member(), "pid", r.claim.Server.PID())
	}
	return metrics.None
}

func (r *relay) tooManySettings() *wire.Error {
	e := wire.Fatal(wire.ConfigurationLimit, "what this session has set cannot be carried to another server, and it may not keep its own (pin_policy)")
	e.Detail = fmt.Sprintf("It is more than %d bytes (max_client_setting_bytes), or more at once than is looked for, or nobody could read what it is.", r.c.proxy.config().Pool.MaxClientSettingBytes)
	e.Hint = `Set less, and by names that stand in the statement; raise max_client_setting_bytes; or set pin_policy = "pin" for the route.`
	return e
}

// unpin counts out a client that lets its server go, whatever it has there.
func (r *relay) unpin() {
	if r.pins != 0 {
		r.at.Pin(r.pins, 0)
	}
	r.pins, r.pinIdle = 0, 0
}

// idlePinned ends a client that has been pinned and idle for too long. Else it
// sets the time for the next look.
func (r *relay) idlePinned() metrics.Reason {
	limit := r.c.route.PinIdleTimeout
	switch {
	case limit == 0 || r.pins == 0 || !r.between():
		r.pinIdle = 0
	case r.pinIdle == 0:
		r.pinIdle = after(r.loop.Now(), limit)
	case r.loop.Now() >= r.pinIdle:
		e := wire.Fatal(wire.IdleSessionTimeout, "terminating connection due to pin_idle_timeout (%s)", limit)
		e.Detail = "The client was pinned to its server: " + r.pins.String() + "."
		e.Hint = "Drop, close or unlock what must not outlive the work, or raise pin_idle_timeout."
		r.tell(e)
		return metrics.PinIdle
	}
	return metrics.None
}
