package translate

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"portero/config"
)

// builder puts a document together from what has been read.
type builder struct {
	Options
	ini     *ini // nil = none given; so for the others
	iniAt   Place
	haproxy *haproxy
	patroni *patroni

	given     map[string]entry // of [pgbouncer], by name
	databases []database
	bySocket  []*database // whose servers PgBouncer reached by a Unix socket
	toldAny   bool        // why a role is "any"
	clusters  []cluster
	doc       document
	bad       faults
}

func (b *builder) build() {
	b.readSettings()
	b.writeSettings()
	b.writeLog()
	b.writeRoutes() // which tells who stands before whom
	b.writeListeners()
	b.writeClusters()
	if b.ini != nil {
		b.writeUsers()
		b.tellPeers()
	}
	b.writeAuth()
	if b.haproxy != nil {
		b.doc.remarks = append(b.doc.remarks, b.haproxy.remarks...)
	}
}

// readSettings takes [pgbouncer], of which the last value of a name counts.
func (b *builder) readSettings() {
	b.given = make(map[string]entry)
	if b.ini == nil {
		return
	}
	kept, forgotten := b.ini.section(mainSection)
	for _, e := range forgotten {
		b.doc.remark(e.Place, "%s: PgBouncer forgets it where [pgbouncer] begins again", e.key)
	}
	for _, e := range kept {
		s := settingOf(e.key)
		if s == nil {
			b.bad.add(e.Place, "there is no setting %s", e.key)
			continue
		}
		if err := s.check(e.value); err != nil {
			b.bad.add(e.Place, "%s %s", e.key, err)
			continue
		}
		b.given[e.key] = e
	}
	if !slices.ContainsFunc(b.ini.headers, func(h header) bool { return h.section == mainSection }) {
		b.bad.add(b.iniAt, "has no section [pgbouncer]")
	}
	entries, _ := b.ini.section("databases")
	b.databases = readDatabases(entries, &b.bad)
}

// value is a setting as the file gives it, else PgBouncer's default.
func (b *builder) value(name string) (value string, at Place, given bool) {
	if e, ok := b.given[name]; ok {
		return e.value, e.Place, true
	}
	return settingOf(name).deflt, b.iniAt, false
}

func (b *builder) number(name string) int {
	value, _, _ := b.value(name)
	n, _ := numberOf(value)
	return n
}

// writeSettings writes what has a counterpart by itself.
func (b *builder) writeSettings() {
	if b.ini == nil {
		b.writeSessions()
		return
	}
	for i := range settings {
		s := &settings[i]
		value, at, given := b.value(s.name)
		if s.inParts || !given && !s.always {
			continue
		}
		b.writeSetting(s, value, at, given)
	}
	b.fitSizes()
	b.doc.table("pool").sort(reflect.TypeFor[config.Pool]())
}

func (b *builder) writeSetting(s *setting, value string, at Place, given bool) {
	toml, note := s.toml(value)
	switch {
	case toml != "" && b.hasKey(s.key): // tcp_keepalive = 0, before tcp_keepidle
	case toml != "":
		if !given {
			note = "PgBouncer's default"
		}
		name, key := s.section()
		b.doc.table(name).set(at, key, toml, note)
	case strings.EqualFold(value, s.deflt):
		b.doc.idle = append(b.doc.idle, s.name)
	default:
		b.doc.remark(at, "%s: %s", s.name, note)
	}
}

func (b *builder) hasKey(key string) bool {
	i := strings.LastIndexByte(key, '.')
	return b.doc.table(key[:i]).has(key[i+1:])
}

// fitSizes has a pool be as large as what is to be kept open of it.
func (b *builder) fitSizes() {
	size, least := b.poolSizes()
	if least <= size {
		return
	}
	pool := b.doc.table("pool")
	for i := range pool.lines {
		if l := &pool.lines[i]; l.key == "min_pool_size" {
			l.value, l.note = strconv.Itoa(size), "was "+strconv.Itoa(least)+", of which PgBouncer could open no more than default_pool_size"
		}
	}
}

// poolSizes is default_pool_size and min_pool_size as Portero has them.
func (b *builder) poolSizes() (size, least int) {
	size, least = b.number("default_pool_size"), max(0, b.number("min_pool_size"))
	if size < 1 || size > most {
		size = most
	}
	return size, least
}

// writeSessions is what there is to say of pools where there was no pooler.
func (b *builder) writeSessions() {
	pool := b.doc.table("pool")
	pool.set(Place{}, "pool_mode", tomlString("session"), `as without a pooler; "transaction" has clients share servers`)
	if b.haproxy != nil && b.haproxy.maxConn > 0 {
		pool.set(b.haproxy.maxConnAt, "max_client_conn", strconv.Itoa(b.haproxy.maxConn), "maxconn of HAProxy")
	}
}

// writeLog puts two settings of PgBouncer's together, twice.
func (b *builder) writeLog() {
	if b.ini == nil {
		return
	}
	log := b.doc.table("log")
	_, at, first := b.value("log_connections")
	_, atEnd, second := b.value("log_disconnections")
	begin, end := b.number("log_connections") != 0, b.number("log_disconnections") != 0
	if second && !end {
		at = atEnd
	}
	if first || second {
		note := ""
		if begin != end {
			note = "one switch for the beginning and the end of a session"
		}
		log.set(at, "connections", strconv.FormatBool(begin || end), note)
	}
	period, at, given := b.value("stats_period")
	_, atStats, _ := b.value("log_stats")
	switch {
	case b.number("log_stats") == 0:
		log.set(atStats, "stats_period", tomlDuration(0), "log_stats is off")
	case given:
		log.set(at, "stats_period", wholeSeconds.toml(period), "")
	}
}

// writeUsers writes [users].
func (b *builder) writeUsers() {
	entries, _ := b.ini.section("users")
	for i, e := range entries {
		last := !slices.ContainsFunc(entries[i+1:], func(other entry) bool { return other.key == e.key })
		params := readParams(e, userKeys, &b.bad)
		if !last || len(params) == 0 {
			continue
		}
		t := b.doc.item("user")
		t.set(e.Place, "name", tomlString(e.key), "")
		for _, key := range userKeys {
			value, ok := params[key]
			if !ok {
				continue
			}
			if toml := userValue(key, value); toml != "" {
				t.set(e.Place, key, toml, "")
			}
		}
	}
}

// userValue is a value of a user as ours, "" where it means the same as none.
func userValue(key, value string) string {
	if s := settingOf(key); s != nil && key != "reserve_pool_size" && s.kind != number {
		return s.kind.toml(value)
	}
	n, _ := leadingNumber(value)
	switch {
	case n < 0:
		return ""
	case key == "pool_size" && n == 0:
		return strconv.Itoa(most)
	}
	return strconv.Itoa(n)
}

func (b *builder) tellPeers() {
	entries, _ := b.ini.section("peers")
	for _, e := range entries {
		readParams(e, peerKeys, &b.bad)
		b.doc.remark(e.Place, "peer %s: %s", e.key, settingOf("peer_id").why)
	}
}
