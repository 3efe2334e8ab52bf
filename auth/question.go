package auth

import (
	"context"
	"fmt"
)

// Home is where a client belongs by its route, and whom to ask about it there.
type Home struct {
	Cluster  string
	Group    int
	Database string // as the server names it

	// Ask puts a question to the leader of the group. It blocks, for as long as
	// there is none too, until ctx ends. See Unanswered for its errors.
	Ask func(ctx context.Context, q Question) (Answer, error)
}

// Question is one for the secret of a user, and who puts it.
type Question struct {
	Database    string // where it is put
	As          string
	Credentials Credentials
	SQL         string // one statement, with the name as $1 and columns for name and secret
	Name        string
}

// Answer is the row that came, if one did. It holds a secret, which fmt does
// not show.
type Answer struct {
	Found  bool
	Name   string
	Secret string // "": none, or NULL
}

// String leaves out the secret.
func (a Answer) String() string { return fmt.Sprintf("found %t, name %q", a.Found, a.Name) }

// GoString keeps %#v from printing the fields.
func (a Answer) GoString() string { return "auth.Answer(" + a.String() + ")" }

// Unanswered is why a question has no answer: the client cannot be told
// whether it is whom it says.
type Unanswered struct {
	Err error

	// Refused: the servers answer, and to this question never otherwise until
	// somebody changes the settings, a role or a grant. Else there was no
	// leader to ask, or none in time.
	Refused bool

	// NoDatabase: what refused is the lack of the database, which the client
	// may have made up.
	NoDatabase bool

	// Held is, in words for the client, why there was nobody to ask; "" if that
	// is not known.
	Held string
}

// Error is for the log.
func (u *Unanswered) Error() string { return u.Err.Error() }

// Unwrap gives the reason.
func (u *Unanswered) Unwrap() error { return u.Err }
