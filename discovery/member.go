package discovery

import (
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Roles as a Member has them. Patroni 3 writes master where Patroni 4 writes
// primary; both occur side by side during an upgrade (Patroni 4.0 release notes).
const (
	rolePrimary       = "primary"
	roleReplica       = "replica"
	roleStandbyLeader = "standby_leader"
	roleMaster        = "master" // Patroni 3; never in a View
)

// memberValue is what is read of a member key (patroni/ha.py, touch_member).
type memberValue struct {
	ConnURL    string `json:"conn_url"`
	APIURL     string `json:"api_url"`
	ConnKwargs struct {
		Host string `json:"host"`
		Port number `json:"port"`
	} `json:"conn_kwargs"`
	State    string         `json:"state"`
	Role     string         `json:"role"`
	Timeline number         `json:"timeline"`
	Location number         `json:"xlog_location"`
	Replayed number         `json:"replay_lsn"`
	Tags     map[string]any `json:"tags"`
}

// parseMember reads a member key. What cannot be read is as if it were {}, as
// Patroni has it (patroni/dcs/__init__.py, Member.from_node). The position in
// the WAL is 0 if it is not known.
func parseMember(name, value string) (m Member, position int64) {
	var v memberValue
	if strings.HasPrefix(value, "postgres") {
		v.ConnURL = value // Governor and early Patroni: the URL is all there is
	} else if decode(value, &v) != nil {
		v = memberValue{}
	}
	m = Member{
		Name:     name,
		Address:  v.address(),
		Role:     v.Role,
		State:    v.State,
		Timeline: int64(v.Timeline),
		Lag:      -1,
		Tags:     v.Tags,
		REST:     restAddress(v.APIURL),
		Zone:     tagText(v.Tags, "zone"),
	}
	m.Host = hostOf(m)
	if m.Role == roleMaster {
		m.Role = rolePrimary
	}
	// xlog_location of a replica is the greater of received and replayed, and
	// what was received only cannot be queried yet.
	if v.Replayed > 0 {
		return m, int64(v.Replayed)
	}
	return m, int64(v.Location)
}

// hostOf is what a member runs on: two members with one host fail together.
func hostOf(m Member) string {
	if host := tagText(m.Tags, "host"); host != "" {
		return host
	}
	host, _, err := net.SplitHostPort(m.Address)
	if err != nil {
		return ""
	}
	return host
}

// tagText is a tag's value where it is a text or a number, as YAML makes one of zone: 1.
func tagText(tags map[string]any, name string) string {
	switch v := tags[name].(type) {
	case string:
		return strings.TrimSpace(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

func (v memberValue) address() string {
	if v.ConnURL != "" {
		return hostPort(v.ConnURL)
	}
	if v.ConnKwargs.Host == "" {
		return ""
	}
	return joinHostPort(v.ConnKwargs.Host, v.ConnKwargs.Port.String())
}

// restAddress takes scheme and host:port out of an api_url; "" if it could not be asked.
func restAddress(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Port() == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// hostPort takes host:port out of postgres://[user:password@]host[:port]/...;
// "" if there is none. It does not use net/url, which refuses passwords that
// libpq and Patroni accept.
func hostPort(text string) string {
	_, rest, ok := strings.Cut(text, "://")
	if !ok {
		return ""
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	host, port := rest, ""
	if end := strings.IndexByte(rest, ']'); strings.HasPrefix(rest, "[") && end > 0 {
		host, port = rest[1:end], strings.TrimPrefix(rest[end+1:], ":")
	} else if h, p, found := strings.Cut(rest, ":"); found {
		host, port = h, p
	}
	return joinHostPort(host, port)
}

// joinHostPort is host:port with brackets where they are needed, and port 5432
// where none is given; "" if it could not be dialled.
func joinHostPort(host, port string) string {
	if port == "" || port == "0" {
		port = "5432"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" || strings.ContainsAny(host, "[]@/ \t\r\n") {
		return ""
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(host, ":") {
		return ""
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10))
}

// Address is host:port of a host that may be an IPv6 address.
func Address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// SamePlace reports whether a member's Address is this host and port of Citus' pg_dist_node,
// where Patroni writes what it reads from conn_url in small letters (patroni/postgresql/citus.py,
// add_task).
func SamePlace(address, host string, port int) bool {
	there, number, err := net.SplitHostPort(address)
	return err == nil && strings.EqualFold(there, host) && number == strconv.Itoa(port)
}

// number is an integer that may also have been written as a string, as Patroni's
// parse_int accepts it. Anything else is 0 and no error, so that one odd field
// does not hide the others.
type number int64

// UnmarshalJSON never fails.
func (n *number) UnmarshalJSON(text []byte) error {
	*n = parseNumber(strings.Trim(string(text), `" `))
	return nil
}

func (n number) String() string { return strconv.FormatInt(int64(n), 10) }

func parseNumber(text string) number {
	v, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0
	}
	return number(v)
}

// decode reads JSON into what v points to. A field of the wrong type is left
// empty and is no error; text that is not JSON is.
func decode(text string, v any) error {
	err := json.Unmarshal([]byte(text), v)
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		return nil
	}
	return err
}
