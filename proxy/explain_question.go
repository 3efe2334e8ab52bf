package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"portero/auth"
	"portero/config"
)

// explainer answers one question.
type explainer struct {
	*snapshot
	origins *config.Origins
	Newcomer
	local   bool
	address netip.Addr // of others; the zero value: any of this host
	running *Proxy     // nil: none is asked

	replication string // as startup has it
}

func explain(cfg *config.Config, a *auth.Authenticator, from *config.Origins, q Newcomer, p *Proxy) (Explanation, error) {
	x := &explainer{snapshot: &snapshot{cfg: cfg, auth: a}, origins: from, Newcomer: q, running: p}
	if err := x.read(); err != nil {
		return Explanation{Newcomer: q}, err
	}
	out := Explanation{Newcomer: x.Newcomer}
	for i := range cfg.Listeners {
		if x.canMean(&cfg.Listeners[i]) {
			out.add(x.answer(i))
		}
	}
	if len(out.Answers) == 0 {
		return out, x.nowhere()
	}
	return out, nil
}

// read takes in who the newcomer is, or says what is wrong with it.
func (x *explainer) read() (err error) {
	if x.User == "" {
		return errors.New("no user is given")
	}
	x.Database = cmp.Or(x.Database, x.User)
	if x.TLS != "" && x.TLS != "yes" && x.TLS != "no" {
		return fmt.Errorf("tls is yes or no, not %q", x.TLS)
	}
	if x.Replication != "" {
		var s startup
		if e := s.setReplication(x.Replication); e != nil {
			return errors.New(e.Message)
		}
		x.replication = s.replication
	}
	if x.local = x.From == FromLocal; x.From == "" || x.local {
		return nil
	}
	if x.address, err = netip.ParseAddr(x.From); err != nil {
		return fmt.Errorf("%q is no IP address, and not %q", x.From, FromLocal)
	}
	x.address = x.address.Unmap()
	return nil
}

// canMean reports whether the question is about a listener too.
func (x *explainer) canMean(l *config.Listener) bool {
	switch {
	case x.Listener != "" && x.Listener != l.Address:
		return false
	case x.From == "":
		return true
	case isUnix(l) || x.local:
		return isUnix(l) == x.local
	}
	return x.Listener != "" || reaches(x.address, l) || !slices.ContainsFunc(x.cfg.Listeners, func(o config.Listener) bool { return !isUnix(&o) && reaches(x.address, &o) })
}

// reaches reports whether somebody at an address may get to a TCP listener.
func reaches(from netip.Addr, l *config.Listener) bool {
	at, err := netip.ParseAddrPort(l.Address)
	switch {
	case err != nil || at.Addr().IsUnspecified() && at.Addr().Is6(): // a name, or :6432, or [::]:6432
		return true
	case at.Addr().Unmap().Is4() != from.Is4():
		return false
	}
	return !at.Addr().IsLoopback() || from.IsLoopback()
}

// nowhere says that no listener can be meant.
func (x *explainer) nowhere() error {
	way := "TCP"
	if x.local {
		way = "Unix socket"
	}
	switch {
	case x.Listener == "":
		return fmt.Errorf("no listener takes clients by %s", way)
	case slices.ContainsFunc(x.cfg.Listeners, func(l config.Listener) bool { return l.Address == x.Listener }):
		return fmt.Errorf("listener %s takes no clients by %s", x.Listener, way)
	}
	return fmt.Errorf("there is no listener %s", x.Listener)
}
