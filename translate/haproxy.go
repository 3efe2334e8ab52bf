package translate

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// entrance is a port of HAProxy, and the servers it leads to.
type entrance struct {
	Place
	name    string
	binds   []bind
	role    string // leader | replica | any; "" where nothing tells
	why     string // what does
	servers []hostPort
}

type bind struct {
	Place
	address  string // as Portero writes it: host:port, :port
	withTLS  bool
	wildcard bool // takes every host
}

type hostPort struct {
	host string
	port int
}

func (h hostPort) String() string { return net.JoinHostPort(h.host, strconv.Itoa(h.port)) }

// haproxy is what a haproxy.cfg has for us.
type haproxy struct {
	Place
	entrances []entrance
	maxConn   int // of [global]; 0 = not given
	maxConnAt Place
	remarks   []Remark
}

// block is one section of the file.
type block struct {
	Place
	kind, name string
	lines      []words
}

// words is one line, divided.
type words struct {
	Place
	w []string
}

func (w words) is(first ...string) bool {
	return len(w.w) >= len(first) && slices.Equal(w.w[:len(first)], first)
}

// blockKinds is what begins a section.
var blockKinds = []string{"global", "defaults", "listen", "frontend", "backend", "userlist", "peers", "resolvers", "mailers", "program",
	"ring", "cache", "http-errors", "fcgi-app", "crt-store", "log-forward", "log-profile", "traces"}

// readHAProxy reads a haproxy.cfg as far as it has to do with PostgreSQL.
func readHAProxy(name, text string, bad *faults) haproxy {
	h := haproxy{Place: Place{File: name}}
	blocks := readBlocks(name, text, bad)
	defaults := block{}
	for _, b := range blocks {
		switch b.kind {
		case "global":
			h.global(b)
		case "defaults":
			defaults = b
		case "listen", "frontend":
			h.entrance(b, defaults, blocks, bad)
		case "backend": // read with the frontend that leads there
		default:
			h.remark(b.Place, "section %s has nothing to do with PostgreSQL", strings.TrimSpace(b.kind+" "+b.name))
		}
	}
	return h
}

func (h *haproxy) remark(at Place, format string, args ...any) {
	d := document{}
	d.remark(at, format, args...)
	h.remarks = append(h.remarks, d.remarks...)
}

func readBlocks(name, text string, bad *faults) (blocks []block) {
	n := 0
	for raw := range strings.Lines(text) {
		n++
		at := Place{name, n}
		w, err := divide(raw)
		switch {
		case err != "":
			bad.add(at, "%s", err)
		case len(w) == 0:
		case slices.Contains(blockKinds, w[0]):
			blocks = append(blocks, block{Place: at, kind: w[0], name: strings.Join(w[1:min(2, len(w))], "")})
		case len(blocks) == 0:
			bad.add(at, "%s stands before the first section (global, defaults, listen, ...)", w[0])
		default:
			b := &blocks[len(blocks)-1]
			b.lines = append(b.lines, words{at, w})
		}
	}
	return blocks
}

// divide is the words of a line: quotes and \ keep blanks and # in a word.
func divide(text string) (w []string, fault string) {
	var b strings.Builder
	begun, quote := false, byte(0)
	end := func() {
		if begun {
			w = append(w, b.String())
			b.Reset()
		}
		begun = false
	}
	text = strings.TrimRight(text, "\r\n")
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
			begun = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote, begun = c, true
		case c == ' ' || c == '\t':
			end()
		case c == '#':
			end()
			return w, ""
		default:
			b.WriteByte(c)
			begun = true
		}
	}
	end()
	if quote != 0 {
		return nil, "a quote without its end"
	}
	return w, ""
}

func (h *haproxy) global(b block) {
	for _, l := range b.lines {
		if l.is("maxconn") && len(l.w) > 1 {
			if n, err := strconv.Atoi(l.w[1]); err == nil && n > 0 {
				h.maxConn, h.maxConnAt = n, l.Place
			}
		}
	}
}

// entrance takes a listen or a frontend, with what its default_backend adds.
func (h *haproxy) entrance(b, defaults block, all []block, bad *faults) {
	lines := slices.Concat(defaults.lines, b.lines)
	for _, l := range b.lines {
		if l.is("default_backend") && len(l.w) > 1 {
			same := func(other block) bool { return other.kind == "backend" && other.name == l.w[1] }
			i := slices.IndexFunc(all, same)
			if i < 0 {
				bad.add(l.Place, "there is no backend %s", l.w[1])
				return
			}
			lines = append(lines, all[i].lines...)
		}
	}
	e := entrance{Place: b.Place, name: b.name}
	http, stats, check := false, false, healthCheck{}
	for _, l := range lines {
		switch {
		case l.is("bind") && len(l.w) > 1:
			e.binds = append(e.binds, readBinds(l, bad)...)
		case l.is("mode"):
			http = l.is("mode", "http")
		case l.is("stats"):
			stats = true
		case l.is("server") && len(l.w) > 2:
			e.server(l, bad)
		case l.is("use_backend"):
			h.remark(l.Place, "use_backend chooses by what HAProxy sees; routes choose by database, user and listener")
		default:
			check.line(l)
		}
	}
	name := strings.TrimSpace(b.kind + " " + b.name)
	switch {
	case stats:
		h.remark(b.Place, "%s shows statistics: Portero's status page and /metrics are at admin.address", name)
	case http:
		h.remark(b.Place, "%s speaks HTTP, not PostgreSQL", name)
	case len(e.servers) == 0:
		h.remark(b.Place, "%s has no servers", name)
	default:
		e.role, e.why = check.role()
		if check.extra != "" {
			h.remark(b.Place, "%s: %s", name, check.extra)
		}
		h.entrances = append(h.entrances, e)
	}
}

// readBinds reads "bind [host]:port[,...]"; a Unix socket has no counterpart here.
func readBinds(l words, bad *faults) (binds []bind) {
	for address := range strings.SplitSeq(l.w[1], ",") {
		for _, family := range []string{"ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"} {
			address = strings.TrimPrefix(address, family)
		}
		i := strings.LastIndexByte(address, ':')
		port := 0
		if i >= 0 {
			port, _ = strconv.Atoi(address[i+1:])
		}
		if port < 1 || port > 65535 {
			bad.add(l.Place, "%s is no host:port", address)
			continue
		}
		host := strings.Trim(address[:i], "[]")
		every := host == "" || host == "*" || host == "0.0.0.0" || host == "::"
		if every {
			host = ""
		}
		binds = append(binds, bind{l.Place, net.JoinHostPort(host, strconv.Itoa(port)), slices.Contains(l.w, "ssl"), every})
	}
	return binds
}

func (e *entrance) server(l words, bad *faults) {
	host, text, err := net.SplitHostPort(l.w[2])
	port, _ := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 || host == "" {
		bad.add(l.Place, "server %s: %s is no host:port", l.w[1], l.w[2])
		return
	}
	if server := (hostPort{host, port}); !slices.Contains(e.servers, server) {
		e.servers = append(e.servers, server)
	}
}

// leadsTo says whether who connects to host:port comes in here.
func (e *entrance) leadsTo(h hostPort) bool {
	for _, b := range e.binds {
		host, port, _ := net.SplitHostPort(b.address)
		if port == strconv.Itoa(h.port) && (b.wildcard || host == h.host || isLoopback(host) && isLoopback(h.host)) {
			return true
		}
	}
	return false
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
