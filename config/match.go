package config

// RouteFor is the first route for who comes by a listener, which goes by its address, to a database
// as a user; nil if there is none. User "" is one whom no route names.
func (c *Config) RouteFor(listener, database, user string) *Route {
	for i := range c.Routes {
		r := &c.Routes[i]
		if covers(r.Listener, listener) && covers(r.Database, database) && covers(r.User, user) {
			return r
		}
	}
	return nil
}

// ServerDatabase is a route's database as the server names it, for who names it so.
func (r *Route) ServerDatabase(database string) string {
	if r.DBName != "" {
		return r.DBName
	}
	return database
}
