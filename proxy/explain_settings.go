package proxy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"portero/config"
)

// Setting is one that holds for a client, and where it comes from.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Place string `json:"place,omitempty"` // file and line, a variable of the environment, or the console; "" = its default holds
	Note  string `json:"note,omitempty"`
}

// settings are those that the clients of route i notice, as what is called target, person and
// course has them in force. Those that are given come first.
func (x *explainer) settings(t target, i int) []Setting {
	r, c, client, server := &x.cfg.Routes[i], &x.cfg.Pool, x.cfg.User(x.User), x.userKey(t.key.User)
	route, own := itemKey("route", i), x.userKey(x.User)
	if t.key.Replicates() {
		return x.senderSettings(t, r, route, server, own)
	}
	list := settingList{x: x}
	list.add("pool_mode", t.key.Mode, server, route)
	list.add("pool_size", t.terms.Size, server, route)
	list.add("min_pool_size", t.terms.Minimum, route)
	if t.terms.Minimum < r.MinPoolSize {
		list.note("no more than pool_size")
	}
	list.add("reserve_pool_size", t.terms.Reserve, server, route)
	if t.terms.Reserve > 0 {
		list.add("reserve_pool_timeout", c.ReservePoolTimeout)
	}
	list.add("max_db_connections", limit(t.terms.MaxDatabase), route)
	list.add("max_user_connections", limit(t.terms.MaxUser), server)
	list.add("max_db_client_connections", limit(r.MaxDBClientConnections), route)
	list.add("max_user_client_connections", limit(client.MaxUserClientConnections), own)
	list.add("max_client_conn", c.MaxClientConn)
	if t.key.Role != "leader" && x.cfg.TellsLag(t.key.Cluster) {
		list.add("max_lag", bound(t.key.MaxLag), route)
	}
	list.add("query_wait_timeout", bound(client.QueryWaitTimeout), own)
	list.add("query_timeout", timeout(client.QueryTimeout), own)
	list.add("transaction_timeout", timeout(client.TransactionTimeout), own)
	list.add("idle_transaction_timeout", timeout(client.IdleTransactionTimeout), own)
	list.add("client_idle_timeout", timeout(client.ClientIdleTimeout), own)
	list.add("server_connect_timeout", c.ServerConnectTimeout)
	list.add("server_idle_timeout", timeout(t.terms.IdleTimeout), route)
	list.add("server_lifetime", timeout(t.terms.Lifetime), route)
	if t.terms.ConnectQuery != "" {
		list.add("connect_query", t.terms.ConnectQuery, route)
	}
	list.addByMode(modes[t.key.Mode], r, route)
	slices.SortStableFunc(list.all, func(a, b Setting) int { return given(b) - given(a) })
	return list.all
}

// senderSettings are those that a client notices that replicates.
func (x *explainer) senderSettings(t target, r *config.Route, route, server, own string) []Setting {
	c, client := &x.cfg.Pool, x.cfg.User(x.User)
	list := settingList{x: x}
	list.all = append(list.all, Setting{Name: "pool_mode", Value: t.key.Mode, Note: "as it replicates: a server of its own, beside pool_size"})
	list.add("max_db_connections", limit(t.terms.MaxDatabase), route)
	list.add("max_user_connections", limit(t.terms.MaxUser), server)
	list.add("max_db_client_connections", limit(r.MaxDBClientConnections), route)
	list.add("max_user_client_connections", limit(client.MaxUserClientConnections), own)
	list.add("max_client_conn", c.MaxClientConn)
	list.add("query_wait_timeout", bound(client.QueryWaitTimeout), own)
	list.add("server_connect_timeout", c.ServerConnectTimeout)
	slices.SortStableFunc(list.all, func(a, b Setting) int { return given(b) - given(a) })
	return list.all
}

func given(s Setting) int { return min(len(s.Place), 1) }

// addByMode adds what counts in some modes only.
func (l *settingList) addByMode(m mode, r *config.Route, route string) {
	c := &l.x.cfg.Pool
	if m == modeSession {
		if c.ServerResetQuery == "" {
			l.add("server_reset_query", "none")
		} else {
			l.add("server_reset_query", c.ServerResetQuery)
		}
		return
	}
	l.add("internode_reserve", c.InternodeReserve)
	l.add("pin_policy", r.PinPolicy, route)
	l.add("pin_idle_timeout", timeout(r.PinIdleTimeout), route)
	l.add("max_pinned", limit(r.MaxPinned), route)
	l.add("max_prepared_statements", c.MaxPreparedStatements)
}

// userKey is the key of the [[user]] of a name, "" if there is none.
func (x *explainer) userKey(name string) string {
	i := slices.IndexFunc(x.cfg.Users, func(u config.User) bool { return u.Name == name })
	if i < 0 {
		return ""
	}
	return itemKey("user", i)
}

// settingList is a list in the making.
type settingList struct {
	x   *explainer
	all []Setting
}

// add adds a setting that is given in the first of the tables that has it, else in [pool].
func (l *settingList) add(name string, value any, tables ...string) {
	var keys []string
	for _, table := range append(tables, "pool") {
		if table != "" {
			keys = append(keys, table+"."+name)
		}
	}
	s := Setting{Name: name, Place: l.x.origins.Of(keys...)}
	switch v := value.(type) {
	case time.Duration:
		s.Value = inWords(v)
	default:
		s.Value = fmt.Sprint(v)
	}
	l.all = append(l.all, s)
}

func (l *settingList) note(text string) { l.all[len(l.all)-1].Note = text }

func limit(n int) string {
	if n == 0 {
		return "no limit"
	}
	return strconv.Itoa(n)
}

func timeout(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return inWords(d)
}

func bound(d time.Duration) string {
	if d == 0 {
		return "no limit"
	}
	return inWords(d)
}

// inWords is a time as somebody would write it: 1h, not 1h0m0s.
func inWords(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
