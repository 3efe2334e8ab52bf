package translate

import (
	"math"
	"slices"
	"strconv"
)

// poolOf is what makes routes share a pool, but for the user: in PgBouncer each
// name of a database has pools of its own, in Portero those that lead to one
// database have them together.
type poolOf struct{ cluster, role, mode, database, serverUser string }

func (t *table) value(key string) string {
	for _, l := range t.lines {
		if l.key == key {
			return l.value
		}
	}
	return ""
}

func (t *table) replace(key, value, note string) {
	for i := range t.lines {
		if l := &t.lines[i]; l.key == key {
			l.value, l.note = value, note
			return
		}
	}
	t.set(t.lines[0].at, key, value, note)
}

// shared is the routes that lead to one database, in their order.
type shared struct {
	pool   poolOf
	routes []*table
}

// fitShared has routes to one pool agree on it: on the largest size that one of
// them gives, and on what the first of them says of its servers.
func (b *builder) fitShared() {
	b.addPassage()
	for _, s := range b.sharedPools() {
		for _, key := range sharedSizes {
			b.agreeOnSize(s.routes, key)
		}
		for _, key := range sharedTexts {
			b.agreeOnText(s.routes, key)
		}
	}
}

// What routes to one pool have in common.
var (
	sharedSizes = []string{"pool_size", "min_pool_size", "reserve_pool_size", "max_db_connections"}
	sharedTexts = []string{"server_lifetime", "connect_query"}
)

func (b *builder) sharedPools() (list []shared) {
	for _, t := range b.doc.tables {
		if t.head != "[[route]]" {
			continue
		}
		p := b.poolOf(t)
		if !b.anybodyReaches(p) {
			p.serverUser = t.value("server_user")
		}
		i := slices.IndexFunc(list, func(s shared) bool { return s.pool == p })
		if i < 0 {
			list = append(list, shared{pool: p})
			i = len(list) - 1
		}
		list[i].routes = append(list[i].routes, t)
	}
	return list
}

// poolOf is the pool of a route, whoever its user is.
func (b *builder) poolOf(t *table) poolOf {
	p := poolOf{cluster: t.value("cluster"), role: t.value("role"), mode: t.value("pool_mode"), database: t.value("dbname")}
	if p.mode == "" {
		p.mode = b.doc.table("pool").value("pool_mode")
	}
	if p.database == "" {
		p.database = t.value("database")
	}
	return p
}

// anybodyReaches says whether a route leads there under the client's own name, which
// may be that of another route's server_user.
func (b *builder) anybodyReaches(p poolOf) bool {
	return slices.ContainsFunc(b.doc.tables, func(t *table) bool {
		return t.head == "[[route]]" && t.value("server_user") == "" && b.poolOf(t) == p
	})
}

const whyAgreed = "of those that lead to this database: they share a pool"

// agreeOnSize gives all routes the largest of the values that they have for key.
func (b *builder) agreeOnSize(routes []*table, key string) {
	deflt := b.defaultSize(key)
	valueOf := func(t *table) int {
		n, err := strconv.Atoi(t.value(key))
		if err != nil {
			n = deflt
		}
		if n == 0 && key == "max_db_connections" {
			n = math.MaxInt // no limit
		}
		return n
	}
	largest := 0
	for _, t := range routes {
		largest = max(largest, valueOf(t))
	}
	for _, t := range routes {
		switch {
		case valueOf(t) == largest:
		case largest == math.MaxInt:
			t.replace(key, "0", "one "+whyAgreed)
		default:
			t.replace(key, strconv.Itoa(largest), "the largest "+whyAgreed)
		}
	}
}

func (b *builder) defaultSize(key string) int {
	size, least := b.poolSizes()
	switch key {
	case "pool_size":
		return size
	case "min_pool_size":
		return min(least, size)
	}
	return max(0, b.number(key))
}

// agreeOnText gives all routes what the first one says that says anything.
func (b *builder) agreeOnText(routes []*table, key string) {
	i := slices.IndexFunc(routes, func(t *table) bool { return t.has(key) })
	if i < 0 {
		return
	}
	for _, t := range routes {
		if value := routes[i].value(key); t.value(key) != value {
			t.replace(key, value, "the first "+whyAgreed)
		}
	}
}

// addPassage gives clients that come to a database by its own name, through "*",
// the pool of the name that the file has for it, where the sizes differ.
func (b *builder) addPassage() {
	star := b.route(tomlString("*"))
	if star == nil || star.value("dbname") != "" {
		return
	}
	for _, t := range slices.Clone(b.doc.tables) {
		if t.head != "[[route]]" || t.value("dbname") == "" || b.route(t.value("dbname")) != nil {
			continue
		}
		if t.value("cluster") != star.value("cluster") || t.value("role") != star.value("role") || alike(t, star) {
			continue
		}
		b.insertBefore(star, t)
	}
}

// alike says whether two routes agree on the pool that they lead to.
func alike(a, b *table) bool {
	differs := func(key string) bool { return a.value(key) != b.value(key) }
	return !slices.ContainsFunc(slices.Concat(sharedSizes, sharedTexts), differs)
}

// route is the route for a database, nil if there is none.
func (b *builder) route(database string) *table {
	for _, t := range b.doc.tables {
		if t.head == "[[route]]" && t.value("database") == database {
			return t
		}
	}
	return nil
}

// insertBefore puts a route for the database that alias leads to before star.
func (b *builder) insertBefore(star, alias *table) {
	t := &table{head: star.head}
	t.notes = []string{"By its own name, too: all that lead to one database share a pool."}
	for _, l := range alias.lines {
		switch l.key {
		case "database":
			l.value = alias.value("dbname")
		case "server_user": // who comes under that name gets to the same servers
			l.key = "user"
		case "dbname", "server_password":
			continue
		}
		t.lines = append(t.lines, l)
	}
	b.doc.tables = slices.Insert(b.doc.tables, slices.Index(b.doc.tables, star), t)
	n := 0
	for _, r := range b.doc.tables {
		if r.head == star.head {
			n++
			r.path = "route[" + strconv.Itoa(n) + "]"
		}
	}
}
