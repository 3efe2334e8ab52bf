package auth

import (
	"maps"
	"slices"
)

// Stored is what is known beforehand to log in to servers as a user: the secret
// of the user file, nothing if it has none. It is for users that clients do not
// log in as themselves.
func (a *Authenticator) Stored(user string) Credentials {
	c, _ := a.users.Lookup(user)
	return c
}

// Names are those of the user file, in no order.
func (a *Authenticator) Names() []string {
	if a.users == nil {
		return nil
	}
	return slices.Collect(maps.Keys(a.users.entries))
}
