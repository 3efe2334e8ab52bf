package auth

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
)

// Rules in the words of a pg_hba.conf, and what there is to say of clients that they are not for.

// methodNames are those of methods.
var methodNames = func() map[method]string {
	all := make(map[method]string, len(methods))
	for name, m := range methods {
		all[m] = name
	}
	return all
}()

var linkNames = [...]string{linkNone: "", linkLocal: "local", linkHost: "host", linkHostSSL: "hostssl", linkHostNoSSL: "hostnossl", linkAny: ""}

// String is the rule as a line of pg_hba.conf, but for options with what nobody needs to know.
func (r *rule) String() string {
	words := []string{linkNames[r.link], r.databases.String(), r.users.String()}
	if r.place == "" { // the one method, which no line is
		words = nil
	} else if r.link != linkLocal {
		words = append(words, r.from.String())
	}
	words = append(words, methodNames[r.method])
	if r.usermap != "" {
		words = append(words, "map="+r.usermap)
	}
	switch r.cert {
	case certSigned:
		words = append(words, "clientcert=verify-ca")
	case certUser:
		words = append(words, "clientcert=verify-full")
	}
	return strings.Join(words, " ")
}

// String is the list as it is written, without quotes.
func (list names) String() string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = n.text
	}
	return strings.Join(words, ",")
}

func (s addresses) String() string {
	switch s.kind {
	case oneNetwork:
		return s.network.String()
	case sameHost:
		return "samehost"
	case sameNet:
		return "samenet"
	}
	return "all"
}

// String has a mask behind the address where it is not one of leading bits.
func (n network) String() string {
	if length, ok := leading(n.mask); ok {
		return fmt.Sprintf("%s/%d", n.address, length)
	}
	return fmt.Sprintf("%s %s", n.address, n.mask)
}

// leading is how many bits a mask has, if they are its first ones.
func leading(mask netip.Addr) (length int, ok bool) {
	ended := false
	for _, b := range mask.AsSlice() {
		n := bits.LeadingZeros8(^b)
		if ended && b != 0 || b != 0xff<<(8-n) {
			return 0, false
		}
		length += n
		ended = ended || n < 8
	}
	return length, true
}

func (n certName) String() string {
	for name, is := range certNames {
		if is == n {
			return name
		}
	}
	return ""
}

// objection says why a rule is not for a client, which differs in a part of it.
func (r *rule) objection(differs part, c *Arrival) string {
	switch differs {
	case partType:
		return fmt.Sprintf("type %s: the client comes %s", linkNames[r.link], c.way(r.link))
	case partDatabase:
		if c.Physical {
			return fmt.Sprintf("database %s: not replication", r.databases)
		}
		return fmt.Sprintf("database %s: not \"%s\"", r.databases, c.Database)
	case partUser:
		return fmt.Sprintf("user %s: not \"%s\"", r.users, c.User)
	}
	return r.from.objection(c.Address.Unmap())
}

// way is how a client has come, as far as it matters to a type of rules.
func (c *Arrival) way(to link) string {
	switch {
	case c.Local:
		return "by Unix socket"
	case to == linkLocal:
		return "by TCP"
	case c.TLS:
		return "by TCP with TLS"
	}
	return "by TCP without TLS"
}

func (s addresses) objection(a netip.Addr) string {
	switch {
	case s.kind == sameHost:
		return fmt.Sprintf("address samehost: %s is no address of this host", a)
	case s.kind == sameNet:
		return fmt.Sprintf("address samenet: %s is in no network of this host", a)
	}
	return fmt.Sprintf("address %s does not contain %s", s.network, a)
}
