package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portero/config"
	"portero/wire"
)

const (
	// askAgainAfter is the age from which an answer is asked for anew at a login:
	// a storm of logins of one user is one question, a changed password counts
	// at once all the same.
	askAgainAfter = 250 * time.Millisecond
	// doubtAgainAfter is how often a password that does not fit may have the
	// answer asked for anew in the middle of a login.
	doubtAgainAfter = time.Second
	// patience is how long a login waits for an answer if it has an older one.
	patience = time.Second
)

// lookups asks the servers for the secrets of users who are not in the user
// file. It is safe for concurrent use; nil looks nobody up.
//
// It belongs to an Authenticator: with new settings all that was found is
// forgotten.
type lookups struct {
	query, user, database string
	credentials           Credentials // of user
	maxAge                time.Duration
	found                 findings
	now                   func() time.Time
}

func newLookups(c *config.Auth, users *Users) *lookups {
	if c.QueryUser == "" {
		return nil
	}
	l := &lookups{query: c.Query, user: c.QueryUser, database: c.QueryDatabase, maxAge: c.QueryMaxAge, now: time.Now}
	l.credentials, _ = users.Lookup(c.QueryUser)
	return l
}

// find returns the entry that an exchange with the client runs on, a mock for
// one whom neither the user file nor the servers know. It blocks for as long as
// the servers are asked. An error is one of those of unanswered.
func (a *Authenticator) find(c *Arrival) (*entry, error) {
	if a.isKnown(c.User) {
		return a.users.find(c.User), nil
	}
	if c.Home == nil { // it is not told either that no route is for it, before it has proved itself
		e := a.lookups.found.mock(c.User)
		e.why = "there is no route, and so nobody to ask for the user"
		return e, nil
	}
	c.willBlock()
	return a.lookups.find(c)
}

// isKnown reports whether the servers need not be asked for a user: it is in the user file,
// or that is all there is.
func (a *Authenticator) isKnown(user string) bool {
	_, inFile := a.users.Lookup(user)
	return inFile || a.lookups == nil
}

// again returns the entry as it is by now, nil if there is nothing newer: for
// a proof that did not fit e.
func (a *Authenticator) again(c *Arrival, e *entry) *entry {
	if e.finding == nil || !a.lookups.doubt(c.context(), e.finding) {
		return nil
	}
	newer, err := a.lookups.find(c)
	if err != nil || newer == e {
		return nil
	}
	return newer
}

// find is the servers' answer, or one that they gave a moment ago.
func (l *lookups) find(c *Arrival) (*entry, error) {
	ctx := c.context()
	f := l.found.of(l.place(c))
	if err := f.enter(ctx); err != nil {
		return nil, l.refuse(c, &Unanswered{Err: err})
	}
	defer f.leave()
	age := l.now().Sub(f.asked)
	if f.entry != nil && age < askAgainAfter {
		return f.entry, nil
	}
	old := f.entry
	if old == nil || old.mock || age >= l.maxAge {
		old = nil // "there was no such user" is not to be taken for an answer
	}
	if err := l.ask(ctx, c, f, old != nil); err != nil {
		if old != nil && !err.Refused {
			return old, nil
		}
		return l.unanswered(c, err)
	}
	return f.entry, nil
}

// place is where c is asked for.
func (l *lookups) place(c *Arrival) place {
	p := place{cluster: c.Home.Cluster, group: c.Home.Group, database: l.database, name: c.User}
	if p.database == "" {
		p.database = c.Home.Database
	}
	return p
}

// ask has the answer in f renewed. hasOld: there is another, so that nothing is
// to be waited for very long.
func (l *lookups) ask(ctx context.Context, c *Arrival, f *finding, hasOld bool) *Unanswered {
	willWait := time.Hour // which ctx ends
	if hasOld {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, patience)
		defer stop()
		willWait = 0
	}
	wait, ok := l.found.paceOf(f.place).take(l.now(), willWait)
	if !ok {
		return &Unanswered{Err: errTooManyQuestions}
	}
	if err := sleep(ctx, wait); err != nil {
		return &Unanswered{Err: fmt.Errorf("%w: %w", errTooManyQuestions, err)}
	}
	answer, err := c.Home.Ask(ctx, Question{Database: f.place.database, As: l.user, Credentials: l.credentials, SQL: l.query, Name: c.User})
	if err != nil {
		if u, ok := errors.AsType[*Unanswered](err); ok {
			return u
		}
		return &Unanswered{Err: err}
	}
	l.found.take(f, answer, l.now())
	return nil
}

var errTooManyQuestions = errors.New("too many users are being asked for")

// unanswered is the refusal of a client about whom nobody could be asked. Only
// where the database is unknown the client is treated as if it were unknown
// itself: it may have made up the name, and is not to learn which exist.
func (l *lookups) unanswered(c *Arrival, u *Unanswered) (*entry, error) {
	if u.NoDatabase {
		e := l.found.mock(c.User)
		e.why = u.Error()
		return e, nil
	}
	return nil, l.refuse(c, u)
}

func (l *lookups) refuse(c *Arrival, u *Unanswered) error {
	e := wire.Fatal(wire.CannotConnectNow, "cannot look up user \"%s\": the database did not answer in time", c.User)
	e.Hint = "Try again; Portero's log says more."
	switch {
	case u.Refused:
		e.Code, e.Message = wire.ConfigFileError, fmt.Sprintf("cannot look up user \"%s\": the database refuses the question", c.User)
		e.Hint = "Whoever runs Portero finds the reason in its log."
	case u.Held != "":
		e.Detail = "Clients are held: " + u.Held + "."
	}
	return &LookupFailed{said: e, Unanswered: u}
}

// LookupFailed is the refusal of a client that may well be whom it says: it
// could not be looked up.
type LookupFailed struct {
	*Unanswered
	said *wire.Error
}

// Error says what the client is told, and why.
func (e *LookupFailed) Error() string { return e.said.Error() + ": " + e.Unanswered.Error() }

// Unwrap gives what the client is told, and the reason.
func (e *LookupFailed) Unwrap() []error { return []error{e.said, e.Unanswered} }

// doubt says whether an answer may be asked for anew although it is not old, as
// somebody had a password that did not fit. A flood of those is no flood of
// questions.
func (l *lookups) doubt(ctx context.Context, f *finding) bool {
	if f.enter(ctx) != nil {
		return false
	}
	defer f.leave()
	now := l.now()
	if now.Sub(f.doubted) < doubtAgainAfter {
		return false
	}
	f.doubted = now
	if old := now.Add(-askAgainAfter); f.asked.After(old) {
		f.asked = old
	}
	return true
}
