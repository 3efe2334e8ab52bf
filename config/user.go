package config

// User is what the file says for clients of a name, or for servers that are
// logged in under it: its [[user]], else [pool].
func (c *Config) User(name string) User {
	if u := c.user(name); u != nil {
		return *u
	}
	u := c.newUser()
	u.Name = name
	return u
}

// user is the [[user]] of a name, nil if there is none. There are few.
func (c *Config) user(name string) *User {
	for i := range c.Users {
		if c.Users[i].Name == name {
			return &c.Users[i]
		}
	}
	return nil
}

// newUser is a [[user]] with nothing in it, once [pool] is known.
func (c *Config) newUser() User {
	p := &c.Pool
	return User{
		ReservePoolSize: routesReserve, MaxUserConnections: p.MaxUserConnections, MaxUserClientConnections: p.MaxUserClientConnections,
		QueryTimeout: p.QueryTimeout, TransactionTimeout: p.TransactionTimeout, IdleTransactionTimeout: p.IdleTransactionTimeout,
		ClientIdleTimeout: p.ClientIdleTimeout, QueryWaitTimeout: p.QueryWaitTimeout,
	}
}

// routesReserve is what a [[user]] has that gives no reserve_pool_size.
const routesReserve = -1

// Sizes is how big a pool is, and how long its clients keep their servers.
type Sizes struct {
	Mode    string // session | transaction | statement
	Size    int    // servers
	Minimum int    // servers kept open once it is in use; at most Size
	Reserve int    // servers beyond Size, for those who have waited too long
}

// Sizes is how big the pool of a route is whose servers are logged in as user.
// What a [[user]] gives comes before what the route gives, as in PgBouncer.
func (c *Config) Sizes(r *Route, user string) Sizes {
	s := Sizes{Mode: r.PoolMode, Size: r.PoolSize, Minimum: r.MinPoolSize, Reserve: r.ReservePoolSize}
	u := c.user(user)
	if u == nil {
		return s
	}
	if u.PoolMode != "" {
		s.Mode = u.PoolMode
	}
	if u.PoolSize > 0 {
		s.Size = u.PoolSize
		s.Minimum = min(s.Minimum, s.Size)
	}
	if u.ReservePoolSize != routesReserve {
		s.Reserve = u.ReservePoolSize
	}
	return s
}
