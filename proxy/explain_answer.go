package proxy

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"portero/auth"
	"portero/config"
	"portero/pool"
	"portero/wire"
)

// add puts an answer to an equal one, if there is one. Who waits at the moment makes no other
// answer: that has been looked at twice, and moves.
func (e *Explanation) add(a Answer) {
	for i := range e.Answers {
		same := e.Answers[i]
		same.Listeners, same.Now = a.Listeners, a.Now
		if reflect.DeepEqual(same, a) {
			e.Answers[i].Listeners = append(e.Answers[i].Listeners, a.Listeners...)
			return
		}
	}
	e.Answers = append(e.Answers, a)
}

// answer is that of listener i. It goes the way of handshake.run.
func (x *explainer) answer(i int) Answer {
	l := &x.cfg.Listeners[i]
	c := x.arrivalAt(l)
	out := Answer{Listeners: []Entrance{x.entrance(i, c)}}
	switch {
	case !c.Local && !reaches(c.Address, l):
		out.Refused = &Refusal{By: "listener", Message: fmt.Sprintf("nobody reaches %s from %s", l.Address, c.Address)}
		return out
	case x.TLS == "yes" && !c.TLS:
		out.Refused = &Refusal{By: "listener", Message: "the listener offers no TLS, and the client takes nothing else"}
		return out
	case slices.Contains(consoleNames, x.Database):
		x.console(&out, l, c)
		return out
	}
	if refusal := (&terms{cfg: l}).refusal(c); refusal != nil {
		out.refuse("listener", refusal)
		return out
	}
	var skipped []auth.Skipped
	r := x.route(l.Address, x.Database, x.User, func(i int, differs routePart) {
		skipped = append(skipped, auth.Skipped{Place: x.origins.Of(itemKey("route", i)), Rule: routeWords(&x.cfg.Routes[i]), Why: x.routeObjection(&x.cfg.Routes[i], differs, l.Address)})
	})
	if r != nil {
		c.Home = homeOf(c, r)
	}
	if !x.readRules(&out, c) {
		return out
	}
	out.Skipped = skipped
	if r == nil {
		out.refuse("route", errNoRoute(x.Database, x.User))
		return out
	}
	x.lead(&out, l, r)
	return out
}

// arrivalAt is what would be known of the client on a listener.
func (x *explainer) arrivalAt(l *config.Listener) *auth.Arrival {
	c := &auth.Arrival{User: x.User, Database: x.Database, Local: isUnix(l), Address: x.address, Physical: x.replication == pool.PhysicalReplication}
	if c.Local {
		return c
	}
	if !c.Address.IsValid() {
		c.Address = ownAddress(l)
	}
	c.TLS = offersTLS(l) && x.TLS != "no"
	if c.TLS && l.TLS.ClientCA != "" { // who has none is refused, whoever it is
		c.Certificate = &x509.Certificate{}
	}
	return c
}

// ownAddress is the address of a client of this host that connects to a listener: the kernel
// gives it the one it connects to, and 127.0.0.1 for all of 127.0.0.0/8.
func ownAddress(l *config.Listener) netip.Addr {
	at, err := netip.ParseAddrPort(l.Address)
	switch a := at.Addr().Unmap(); {
	case err != nil || a.IsUnspecified(): // a name, or all addresses: by loopback, as most do
	case a.Is6() || !a.IsLoopback():
		return a
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

func (x *explainer) entrance(i int, c *auth.Arrival) Entrance {
	l := &x.cfg.Listeners[i]
	e := Entrance{Address: l.Address, Place: x.origins.Of(itemKey("listener", i)+".address", itemKey("listener", i)), From: FromLocal, TLS: c.TLS, Demands: "not offered"}
	if !c.Local {
		e.From = c.Address.String()
	}
	switch {
	case l.TLS.ClientCA != "" && offersTLS(l):
		e.Demands = "demanded, with a certificate"
	case l.TLS.Mode == "require" && offersTLS(l):
		e.Demands = "demanded"
	case offersTLS(l):
		e.Demands = "offered"
	}
	return e
}

// console is for the database that is none, as toConsole and operator have it.
func (x *explainer) console(out *Answer, l *config.Listener, c *auth.Arrival) {
	if c.Local && slices.Contains(consoleNames, x.User) {
		out.Console = "admin"
		out.Rule = &auth.Ruling{Method: "peer", Needs: []string{"to be run by the system user that runs Portero"}}
		return
	}
	if refusal := (&terms{cfg: l}).refusal(c); refusal != nil {
		out.refuse("listener", refusal)
		return
	}
	if !x.readRules(out, c) {
		return
	}
	admin, err := rights(&x.cfg.Admin, x.User)
	switch {
	case err != nil:
		out.refuse("console", errNotAllowed)
		out.Refused.Why = "neither [admin] users nor stats_users has \"" + x.User + "\""
	case admin:
		out.Console = "admin"
	default:
		out.Console = "stats"
	}
}

// readRules asks the rules; false: they refuse the client.
func (x *explainer) readRules(out *Answer, c *auth.Arrival) bool {
	d := x.auth.Read(c)
	d.Place = x.placeOfRule(d.Place)
	if d.Method != "" && d.Place == "" {
		d.Place = x.origins.Of("auth.method")
	}
	for i := range d.Skipped {
		d.Skipped[i].Place = x.placeOfRule(d.Skipped[i].Place)
	}
	if c.Certificate != nil {
		d.Needs = append([]string{"a certificate that the listener's client_ca has signed"}, d.Needs...)
	}
	out.Rule = &d
	if d.Refused != nil {
		out.refuse("rule", d.Refused)
		out.Refused.Why = d.Why
	}
	return d.Refused == nil
}

// placeOfRule has the line of a rule that goes by its key.
func (x *explainer) placeOfRule(place string) string { return cmp.Or(x.origins.Of(place), place) }

func (a *Answer) refuse(by string, e *wire.Error) {
	a.Refused = &Refusal{By: by, Code: e.Code, Message: e.Message, Hint: e.Hint}
}

// lead fills in where a route leads.
func (x *explainer) lead(out *Answer, l *config.Listener, r *config.Route) {
	i := x.numberOf(r)
	t := x.target(r, l, x.Database, x.User).as(x.replication)
	if !t.key.Replicates() {
		t.key.Citus = pool.CitusOrigin(x.Application)
	}
	out.Route = &ChosenRoute{Number: i + 1, Name: r.Name, Words: routeWords(r), Place: x.origins.Of(itemKey("route", i))}
	out.Pool = &PoolKey{Cluster: t.key.Cluster, Group: t.key.Group, Role: t.key.Role, Mode: t.key.Mode, Database: t.key.Database, User: t.key.User, Citus: t.key.Citus}
	if !roam(t.reach, &t.key) {
		t.reach = "" // as that of who replicates
	}
	if t.reach != "" {
		out.Pool.Spread = spreadWords(r)
	}
	if t.key.MaxLag > 0 {
		out.Pool.MaxLag = inWords(t.key.MaxLag)
	}
	out.Settings = x.settings(t, i)
	out.ServerLogin = x.serverLogin(r, i, out.Rule)
	if x.running != nil {
		out.Now = x.running.present(x, t, r)
	}
}

func (x *explainer) numberOf(r *config.Route) (i int) {
	for &x.cfg.Routes[i] != r {
		i++
	}
	return i
}

// serverLogin is serverCredentials in words.
func (x *explainer) serverLogin(r *config.Route, i int, d *auth.Ruling) string {
	switch {
	case r.ServerUser == "":
		return fmt.Sprintf("as \"%s\", with %s", x.User, d.Server)
	case r.ServerPassword != "":
		return fmt.Sprintf("as \"%s\" (server_user), with its server_password", r.ServerUser)
	}
	return fmt.Sprintf("as \"%s\" (server_user), with %s", r.ServerUser, x.auth.Opens(r.ServerUser))
}

// routeWords is what a route asks of its clients.
func routeWords(r *config.Route) string {
	words := make([]string, 0, 3)
	for _, part := range [][2]string{{"database", r.Database}, {"user", r.User}, {"listener", r.Listener}} {
		if part[1] == "*" {
			words = append(words, "any "+part[0])
		} else {
			words = append(words, part[0]+" "+part[1])
		}
	}
	return strings.Join(words, ", ")
}

func (x *explainer) routeObjection(r *config.Route, differs routePart, listener string) string {
	switch differs {
	case otherListener:
		return fmt.Sprintf("listener %s: not %s", r.Listener, listener)
	case otherDatabase:
		return fmt.Sprintf("database %s: not \"%s\"", r.Database, x.Database)
	}
	return fmt.Sprintf("user %s: not \"%s\"", r.User, x.User)
}

func itemKey(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i+1) }
