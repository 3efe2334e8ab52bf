package proxy

import (
	"sync"
	"sync/atomic"

	"portero/config"
	"portero/metrics"
	"portero/pool"
	"portero/wire"
)

// census counts the clients of each user and of each database.
type census struct {
	proxy *Proxy

	mu         sync.Mutex         // guards what follows, and the counts of persons and identities
	persons    map[string]*person // those who have clients
	identities map[named]*identity
	databases  map[realm]int
}

// realm is a database as a server knows it, whatever role it is reached in.
type realm struct {
	cluster  string
	group    int
	database string
}

func realmOf(k pool.Key) realm { return realm{k.Cluster, k.Group, k.Database} }

// person is what all clients of one user have in common.
type person struct {
	proxy   *Proxy
	name    string // as they have logged in
	clients int
	own     atomic.Pointer[personal]
}

// named is what a client has said of itself.
type named struct{ user, database string }

// identity is what all clients have in common that have named one user and one database. They share
// it: each field would cost each client its size.
type identity struct {
	*person
	database string // as they have named it
	clients  int
}

// personal is what a configuration says of a person.
type personal struct {
	of *config.Config
	config.User
}

// settings is what a configuration says of the person. It is looked up once per
// configuration, as clients ask for it all the time.
func (w *person) settings(cfg *config.Config) *config.User {
	if own := w.own.Load(); own != nil && own.of == cfg {
		return &own.User
	}
	own := &personal{cfg, cfg.User(w.name)}
	w.own.Store(own)
	return &own.User
}

// user is what the configuration says of the client's user.
func (c *client) user() *config.User { return c.person.settings(c.proxy.config()) }

func (s *census) init(p *Proxy) {
	s.proxy, s.persons, s.identities, s.databases = p, make(map[string]*person), make(map[named]*identity), make(map[realm]int)
}

// enter counts a client in, or says why there is no room for it.
func (s *census) enter(user, database string, at realm, ofUser, ofDatabase int) (*identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fullLocked(user, at, ofUser, ofDatabase); err != nil {
		return nil, err
	}
	i := s.identityLocked(named{user, database})
	i.clients++
	i.person.clients++
	s.databases[at]++
	return i, nil
}

func (s *census) identityLocked(n named) *identity {
	if i := s.identities[n]; i != nil {
		return i
	}
	w := s.persons[n.user]
	if w == nil {
		w = &person{proxy: s.proxy, name: n.user}
		s.persons[n.user] = w
	}
	i := &identity{person: w, database: n.database}
	s.identities[n] = i
	return i
}

// fullLocked says why there is no room for one more.
func (s *census) fullLocked(user string, at realm, ofUser, ofDatabase int) error {
	w := s.persons[user]
	switch {
	case ofDatabase > 0 && s.databases[at] >= ofDatabase:
		return tooMany(metrics.TooManyOfDatabase, "max_db_client_connections")
	case ofUser > 0 && w != nil && w.clients >= ofUser:
		return tooMany(metrics.TooManyOfUser, "max_user_client_connections")
	}
	return nil
}

// full says why there is no room for one more now.
func (s *census) full(user string, at realm, ofUser, ofDatabase int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fullLocked(user, at, ofUser, ofDatabase)
}

// leave counts it out.
func (s *census) leave(i *identity, at realm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.clients--; i.clients == 0 {
		delete(s.identities, named{i.name, i.database})
	}
	if i.person.clients--; i.person.clients == 0 {
		delete(s.persons, i.name)
	}
	if s.databases[at]--; s.databases[at] == 0 {
		delete(s.databases, at)
	}
}

// move counts a client over to another database, where it may be one too many.
func (s *census) move(from, to realm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.databases[to]++
	if s.databases[from]--; s.databases[from] == 0 {
		delete(s.databases, from)
	}
}

// tooMany has PgBouncer's words: who watches for them finds them.
func tooMany(why metrics.Reason, setting string) error {
	e := wire.Fatal(wire.TooManyConnections, "client connections exceeded (%s)", setting)
	e.Hint = "Close some, or raise " + setting + "."
	return &pool.Refused{Why: why, Said: e}
}
