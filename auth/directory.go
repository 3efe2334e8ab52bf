package auth

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// directory is how the passwords of a rule's users are checked by LDAP, in the
// words of PostgreSQL (its documentation, "LDAP Authentication").
type directory struct {
	servers    string // names or addresses, with or without a port, between blanks: asked in turn
	port       int    // of those without; 0: the scheme's
	scheme     string // ldap | ldaps
	startTLS   bool
	prefix     string // simple bind: what stands before and behind the user's name
	suffix     string
	baseDN     string // search and bind, if it is not ""
	bindDN     string
	bindSecret string
	attribute  string
	filter     string
	scope      int
}

// ldapOptions set what the option of that name says. They are of method ldap only.
var ldapOptions = map[string]func(*directory, string) error{
	"ldapserver":          func(d *directory, v string) error { d.servers = v; return nil },
	"ldapport":            (*directory).setPort,
	"ldapscheme":          (*directory).setScheme,
	"ldaptls":             func(d *directory, v string) error { d.startTLS = v == "1"; return nil },
	"ldapprefix":          func(d *directory, v string) error { d.prefix = v; return nil },
	"ldapsuffix":          func(d *directory, v string) error { d.suffix = v; return nil },
	"ldapbasedn":          func(d *directory, v string) error { d.baseDN = v; return nil },
	"ldapbinddn":          func(d *directory, v string) error { d.bindDN = v; return nil },
	"ldapbindpasswd":      func(d *directory, v string) error { d.bindSecret = v; return nil },
	"ldapsearchattribute": func(d *directory, v string) error { d.attribute = v; return nil },
	"ldapsearchfilter":    func(d *directory, v string) error { d.filter = v; return nil },
	"ldapurl":             (*directory).setURL,
}

func newDirectory() *directory {
	return &directory{scheme: "ldap", scope: ldap.ScopeWholeSubtree}
}

func (d *directory) setPort(v string) error {
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("invalid LDAP port number: %q", v)
	}
	d.port = int(n)
	return nil
}

func (d *directory) setScheme(v string) error {
	if v != "ldap" && v != "ldaps" {
		return fmt.Errorf("invalid ldapscheme value: %q", v)
	}
	d.scheme = v
	return nil
}

// setURL takes ldap://host[:port]/basedn[?[attribute][?[scope][?[filter]]]],
// RFC 4516 as far as PostgreSQL does. Without a scope it is the entry of basedn
// alone, as the RFC has it, and not, as without a URL, all beneath it.
func (d *directory) setURL(v string) error {
	u, err := url.Parse(v)
	if err != nil {
		return fmt.Errorf("could not parse LDAP URL %q", v)
	}
	if u.Scheme != "ldap" && u.Scheme != "ldaps" {
		return fmt.Errorf("unsupported LDAP URL scheme: %s", u.Scheme)
	}
	d.scheme, d.servers, d.baseDN = u.Scheme, u.Host, strings.TrimPrefix(u.Path, "/")
	parts := strings.Split(u.RawQuery, "?")
	for i := range parts {
		if parts[i], err = url.PathUnescape(parts[i]); err != nil {
			return fmt.Errorf("could not parse LDAP URL %q", v)
		}
	}
	parts = append(parts, "", "", "")
	attribute, _, _ := strings.Cut(parts[0], ",")
	d.attribute, d.filter = attribute, parts[2]
	scopes := map[string]int{"": ldap.ScopeBaseObject, "base": ldap.ScopeBaseObject, "one": ldap.ScopeSingleLevel, "sub": ldap.ScopeWholeSubtree}
	scope, known := scopes[parts[1]]
	if !known {
		return fmt.Errorf("could not parse LDAP URL %q: scope is none of base, one, sub", v)
	}
	d.scope = scope
	return nil
}

// check says what does not go together, or is missing.
func (d *directory) check() error {
	searches := d.baseDN != "" || d.bindDN != "" || d.bindSecret != "" || d.attribute != "" || d.filter != ""
	binds := d.prefix != "" || d.suffix != ""
	switch {
	case strings.TrimSpace(d.servers) == "":
		return fmt.Errorf("authentication method \"ldap\" requires argument \"ldapserver\" to be set")
	case binds && searches:
		return fmt.Errorf("cannot use ldapprefix or ldapsuffix together with ldapbasedn, ldapbinddn, ldapbindpasswd, ldapsearchattribute, ldapsearchfilter, or ldapurl")
	case !binds && d.baseDN == "":
		return fmt.Errorf("authentication method \"ldap\" requires argument \"ldapbasedn\", \"ldapprefix\", or \"ldapsuffix\" to be set")
	case d.attribute != "" && d.filter != "":
		return fmt.Errorf("cannot use ldapsearchattribute together with ldapsearchfilter")
	case d.startTLS && d.scheme == "ldaps":
		return fmt.Errorf("cannot use ldaptls together with ldaps, which is TLS from the first byte")
	}
	if d.filter != "" {
		if _, err := ldap.CompileFilter(strings.ReplaceAll(d.filter, userMark, "x")); err != nil {
			return fmt.Errorf("ldapsearchfilter: %s", err)
		}
	}
	return nil
}

// userMark stands for the user's name in a search filter.
const userMark = "$username"

// addresses are those of the servers, each with its port.
func (d *directory) addresses() (all []string) {
	port := d.port
	switch {
	case port > 0:
	case d.scheme == "ldaps":
		port = 636
	default:
		port = 389
	}
	for _, server := range strings.Fields(d.servers) {
		if _, _, err := net.SplitHostPort(server); err != nil {
			server = net.JoinHostPort(strings.Trim(server, "[]"), strconv.Itoa(port))
		}
		all = append(all, server)
	}
	return all
}

// searchFilter finds the entry of a user.
func (d *directory) searchFilter(user string) string {
	name := ldap.EscapeFilter(user)
	switch {
	case d.filter != "":
		return strings.ReplaceAll(d.filter, userMark, name)
	case d.attribute != "":
		return "(" + d.attribute + "=" + name + ")"
	}
	return "(uid=" + name + ")"
}

// bindName is the name by which a user binds without a search. Where it is a
// distinguished name, the user's is escaped, so that it stays one value in it;
// elsewhere, as in DOMAIN\user or user@domain, ok is false for a name that could
// make another kind of name of it.
func (d *directory) bindName(user string) (name string, ok bool) {
	if strings.Contains(d.prefix, "=") {
		return d.prefix + ldap.EscapeDN(user) + d.suffix, true
	}
	return d.prefix + user + d.suffix, !strings.ContainsAny(user, "=,+\"\\<>;/*()@\x00")
}
