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

// Question is a client that could come.
type Question struct {
	Database    string `json:"database"` // as it names it; "" = as the user
	User        string `json:"user"`
	From        string `json:"from,omitempty"`        // an IP address, or local: by Unix socket; "" = this host
	Listener    string `json:"listener,omitempty"`    // its address in the configuration; "" = any that can be meant
	TLS         string `json:"tls,omitempty"`         // yes | no; "" = where the listener offers it
	Application string `json:"application,omitempty"` // its application_name
}

// FromLocal is a Question's From for a client that comes by Unix socket.
const FromLocal = "local"

// Explanation is what a client would get, and why. It holds no secret.
type Explanation struct {
	Question
	Config  string   `json:"config,omitempty"`  // the file that says so; "" = the environment alone
	Running *Running `json:"running,omitempty"` // the Portero that says so; nil: it is read from the file
	Answers []Answer `json:"answers"`           // one where all listeners give the same
}

// Running is a Portero that runs.
type Running struct {
	Version string `json:"version"`
	Loaded  string `json:"loaded"` // when it has read its configuration
}

// Answer is what a client gets on some listeners. Behind a refusal nothing follows.
type Answer struct {
	Listeners   []Entrance     `json:"listeners"`
	Rule        *auth.Reading  `json:"rule,omitempty"`    // nil: none was asked
	Console     string         `json:"console,omitempty"` // admin | stats: the database is the console; the rest is left out
	Skipped     []auth.Skipped `json:"skipped_routes,omitempty"`
	Route       *Route         `json:"route,omitempty"`
	Pool        *PoolKey       `json:"pool,omitempty"`
	Settings    []Setting      `json:"settings,omitempty"`
	ServerLogin string         `json:"server_login,omitempty"`
	Refused     *Refusal       `json:"refused,omitempty"` // nil: it gets in, if it proves itself
	Now         *Present       `json:"now,omitempty"`     // nil: only a Portero that runs knows
}

// Entrance is a listener as the client meets it.
type Entrance struct {
	Address string `json:"address"`
	Place   string `json:"place,omitempty"` // where it is given
	From    string `json:"from"`            // the client's address there, or local
	TLS     bool   `json:"tls"`             // the client's
	Demands string `json:"demands"`         // what the listener has to say of TLS
}

// Route is the one that the client belongs to.
type Route struct {
	Number int    `json:"number"` // from 1
	Name   string `json:"name"`
	Words  string `json:"words"`
	Place  string `json:"place,omitempty"`
}

// PoolKey is what tells pools apart.
type PoolKey struct {
	Cluster  string `json:"cluster"`
	Group    int    `json:"group"`
	Role     string `json:"role"`
	MaxLag   string `json:"max_lag,omitempty"`
	Mode     string `json:"pool_mode"`
	Database string `json:"database"` // as the server names it
	User     string `json:"user"`     // that the server knows
	Citus    string `json:"citus,omitempty"`
}

// Refusal is why a client does not get in.
type Refusal struct {
	By      string `json:"by"`             // listener | rule | route | console | limit
	Code    string `json:"code,omitempty"` // SQLSTATE that it is told; "" = it goes by itself
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Why     string `json:"why,omitempty"` // what it is not told
}

// Refused reports whether the client gets in nowhere.
func (e *Explanation) Refused() bool {
	return !slices.ContainsFunc(e.Answers, func(a Answer) bool { return a.Refused == nil && (a.Now == nil || a.Now.Refused == nil) })
}

// Explain says what a client would get by a configuration, by the functions that decide it for
// those who come. An error says what is wrong with the question.
func Explain(cfg *config.Config, a *auth.Authenticator, from *config.Origins, q Question) (Explanation, error) {
	return explain(cfg, a, from, q, nil)
}

// Explain says what a client would get that came now. The configuration is that in force.
func (p *Proxy) Explain(cfg *config.Config, a *auth.Authenticator, from *config.Origins, q Question) (Explanation, error) {
	return explain(cfg, a, from, q, p)
}

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

// add puts an answer to an equal one, if there is one.
func (e *Explanation) add(a Answer) {
	for i := range e.Answers {
		same := e.Answers[i]
		same.Listeners = a.Listeners
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
	c := &auth.Arrival{User: x.User, Database: x.Database, Local: isUnix(l), Address: x.address}
	if c.Local {
		return c
	}
	if !c.Address.IsValid() {
		c.Address = loopbackOf(l)
	}
	c.TLS = offersTLS(l) && x.TLS != "no"
	if c.TLS && l.TLS.ClientCA != "" { // who has none is refused, whoever it is
		c.Certificate = &x509.Certificate{}
	}
	return c
}

// loopbackOf is the address of a client of this host that reaches a listener by loopback.
func loopbackOf(l *config.Listener) netip.Addr {
	if at, err := netip.ParseAddrPort(l.Address); err == nil && at.Addr().Is6() && !at.Addr().IsUnspecified() {
		return netip.IPv6Loopback()
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
		out.Rule = &auth.Reading{Method: "peer", Needs: []string{"to be run by the system user that runs Portero"}}
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
	t := x.target(r, l, x.Database, x.User)
	t.key.Citus = pool.CitusOrigin(x.Application)
	out.Route = &Route{Number: i + 1, Name: r.Name, Words: routeWords(r), Place: x.origins.Of(itemKey("route", i))}
	out.Pool = &PoolKey{Cluster: t.key.Cluster, Group: t.key.Group, Role: t.key.Role, Mode: t.key.Mode, Database: t.key.Database, User: t.key.User, Citus: t.key.Citus}
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
func (x *explainer) serverLogin(r *config.Route, i int, d *auth.Reading) string {
	switch {
	case r.ServerUser == "":
		return fmt.Sprintf("as \"%s\", with %s", x.User, d.Server)
	case r.ServerPassword != "":
		return fmt.Sprintf("as \"%s\" (server_user), with its server_password", r.ServerUser)
	}
	with := x.auth.Stored(r.ServerUser).String()
	if with != "none" {
		with = "the " + with + " of the user file"
	} else {
		with = "nothing: the server must ask for no proof"
	}
	return fmt.Sprintf("as \"%s\" (server_user), with %s", r.ServerUser, with)
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
