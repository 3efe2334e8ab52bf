package translate

import (
	"slices"
	"strconv"
)

// poolOf is what makes routes share a pool, but for the user: in PgBouncer each
// name of a database has pools of its own, in Portero those that lead to one
// database have them together.
type poolOf struct{ cluster, role, mode, database string }

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

// fitShared has routes to one pool agree on its size: the largest that one of
// them gives.
func (b *builder) fitShared() {
	b.addPassage()
	for _, s := range b.sharedPools() {
		for _, key := range []string{"pool_size", "min_pool_size"} {
			b.agree(s.routes, key)
		}
	}
}

func (b *builder) sharedPools() (list []shared) {
	mode := tomlString("session")
	if pool := b.doc.table("pool"); pool.has("pool_mode") {
		mode = pool.value("pool_mode")
	}
	for _, t := range b.doc.tables {
		if t.head != "[[route]]" {
			continue
		}
		p := poolOf{t.value("cluster"), t.value("role"), t.value("pool_mode"), t.value("dbname")}
		if p.mode == "" {
			p.mode = mode
		}
		if p.database == "" {
			p.database = t.value("database")
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

// agree gives all routes the largest of the values that they have for key.
func (b *builder) agree(routes []*table, key string) {
	size, least := b.poolSizes()
	deflt := size
	if key == "min_pool_size" {
		deflt = least
	}
	largest, differ := -1, false
	valueOf := func(t *table) int {
		if n, err := strconv.Atoi(t.value(key)); err == nil {
			return n
		}
		return deflt
	}
	for _, t := range routes {
		n := valueOf(t)
		differ = differ || largest >= 0 && n != largest
		largest = max(largest, n)
	}
	if !differ {
		return
	}
	for _, t := range routes {
		if valueOf(t) != largest {
			t.replace(key, strconv.Itoa(largest), "the largest of those that lead to this database: they share a pool")
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
		if t.value("cluster") != star.value("cluster") || t.value("role") != star.value("role") || t.value("server_user") != "" ||
			t.value("pool_size") == star.value("pool_size") && t.value("min_pool_size") == star.value("min_pool_size") {
			continue
		}
		b.insertBefore(star, t)
	}
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
		case "dbname":
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
