package proxy

import (
	"cmp"
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
	question
	running *Proxy // nil: none is asked
}

// question is a Question that has been read.
type question struct {
	Question
	local   bool
	address netip.Addr // of others; the zero value: any of this host
}

func explain(cfg *config.Config, a *auth.Authenticator, from *config.Origins, q Question, p *Proxy) (Explanation, error) {
	out := Explanation{Question: q}
	read, err := readQuestion(q)
	if err != nil {
		return out, err
	}
	x := &explainer{snapshot: &snapshot{cfg: cfg, auth: a}, origins: from, question: read, running: p}
	out.Question = read.Question
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

func readQuestion(q Question) (question, error) {
	out := question{Question: q}
	if out.User == "" {
		return out, fmt.Errorf("no user is given")
	}
	out.Database = cmp.Or(q.Database, q.User)
	if q.TLS != "" && q.TLS != "yes" && q.TLS != "no" {
		return out, fmt.Errorf("tls is yes or no, not %q", q.TLS)
	}
	switch out.local = q.From == FromLocal; {
	case q.From == "" || out.local:
		return out, nil
	}
	var err error
	if out.address, err = netip.ParseAddr(q.From); err != nil {
		return out, fmt.Errorf("%q is no IP address, and not %q", q.From, FromLocal)
	}
	out.address = out.address.Unmap()
	return out, nil
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
