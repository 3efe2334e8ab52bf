package pool

import (
	"errors"
	"net"
	"strings"

	"portero/auth"
	"portero/discovery"
	"portero/metrics"
	"portero/wire"
)

// permanent picks the refusals that the client must hear at once, as trying
// again would not change them: the server's own, and what auth cannot answer.
func permanent(err error) *wire.Error {
	var e *wire.Error
	for _, hopeless := range []error{auth.ErrNoSecret, auth.ErrVerifierDiffers, auth.ErrServerUnproven, auth.ErrMethod, auth.ErrIterations} {
		if errors.Is(err, hopeless) {
			return wire.Fatal(wire.InvalidAuthorization, "login to the server is not possible: %s", hopeless)
		}
	}
	if !errors.As(err, &e) || len(e.Code) != 5 {
		return nil
	}
	switch {
	case e.Code[:2] == "28", e.Code == wire.UndefinedDatabase, e.Code == "42501", e.Code == wire.FeatureNotSupported:
		return e
	}
	return nil
}

// isAlive reports whether the server has answered, if only to refuse: class 57
// is what it says while it starts or stops.
func isAlive(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && !strings.HasPrefix(e.Code, "57")
}

// isGone reports whether nobody can be served where err comes from: nothing listens
// there, or it starts or stops. A member that is slow may only be busy.
func isGone(err error) bool {
	var said *wire.Error
	if errors.As(err, &said) {
		return strings.HasPrefix(said.Code, "57")
	}
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial" && !dial.Timeout()
}

// noteFailure counts and logs why a server was not opened. That a host has
// told what it is, and is not what is wanted, is no reason to doubt it.
func (p *Pool) noteFailure(m discovery.Member, err error) {
	if err == errMoved || err == errNotWanted || p.ctx.Err() != nil {
		return
	}
	switch {
	case errors.Is(err, errInRecovery):
		p.Metrics().Error(metrics.ServerRecovery)
	case errors.Is(err, errConnectQuery):
		p.Metrics().Error(metrics.ConnectQuery)
	default:
		p.Metrics().Error(metrics.ServerConnect)
	}
	innocent := isOfStartup(err) || errors.Is(err, errConnectQuery)
	if !isVerdict(err) && !isAlive(err) && !innocent {
		p.cluster().Doubt(p.Key.Group, m.Name)
	}
	if faultOf(err) == faultFailed {
		p.home.Load().recall()
	}
	if isGone(err) {
		p.home.Load().lags.forget(p.Key.Group, m.Name)
	}
	p.mu.Lock()
	p.troubledLocked(inWords(err))
	if !innocent {
		p.shunLocked(m, faultOf(err))
	}
	if p.Key.Role != "leader" {
		p.wanted = p.wantedLocked() // no longer a server at this member, if that was why
	}
	loud := p.mayWarnLocked()
	p.mu.Unlock()
	p.log.Log(p.ctx, levelOf(loud), "server not opened", "member", m.Name, "address", m.Address, "error", err)
}
