package pool

import "portero/auth"

// secrets is what a pool may log in to servers with. What has opened a server
// stays the first choice until a server refuses it: clients come by other ways
// and with other secrets, and must not spoil what works. Guarded by the pool's mu.
type secrets struct {
	proved  auth.Credentials // a server has accepted it
	offered auth.Credentials // the best that clients have brought beside it; of equals the newest
}

var noSecret auth.Credentials

// offer takes in what a client has logged in with.
func (s *secrets) offer(c auth.Credentials) {
	if c != s.proved && !s.offered.Better(c) {
		s.offered = c
	}
}

// best is what to log in with next.
func (s *secrets) best() auth.Credentials {
	if s.proved != noSecret {
		return s.proved
	}
	return s.offered
}

func (s *secrets) accepted(c auth.Credentials) {
	s.proved = c
	if s.offered == c {
		s.offered = noSecret
	}
}

// refused is told of a login that a server refused. It reports whether there
// is another secret to try. wrong: the server has named the secret as the
// reason; else it is kept if it is the only one.
func (s *secrets) refused(c auth.Credentials, wrong bool) bool {
	rest := *s
	if rest.proved == c {
		rest.proved = noSecret
	}
	if rest.offered == c {
		rest.offered = noSecret
	}
	next := rest.best()
	another := next != noSecret && next != c
	if wrong || another {
		*s = rest
	}
	return another
}
