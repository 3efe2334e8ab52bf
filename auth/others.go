package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// maxAsked is how many passwords may be with LDAP servers and PAM at one time.
const maxAsked = 64

// askOthers has somebody else check the password, which the client gives as it
// is. Once it is known to be right, it serves servers too.
func (a *Authenticator) askOthers(s *wire.Stream, r *rule, c *Arrival) (Credentials, error) {
	if err := s.Write(&pgproto3.AuthenticationCleartextPassword{}); err != nil {
		return Credentials{}, err
	}
	got, err := readPassword(s)
	if err != nil {
		return Credentials{}, err
	}
	if got == "" { // which is no proof to many
		return Credentials{}, fmt.Errorf("%w: empty password returned by client", r.failed(c))
	}
	ctx := c.context()
	select {
	case a.asked <- struct{}{}:
		defer func() { <-a.asked }()
	case <-ctx.Done():
		return Credentials{}, a.cannotAsk(r, c, ctx.Err())
	}
	ok, why, err := r.checkElsewhere(ctx, c, got)
	switch {
	case err != nil:
		return Credentials{}, a.cannotAsk(r, c, err)
	case !ok:
		return Credentials{}, fmt.Errorf("%w: %s", r.failed(c), why)
	}
	return Password(got), nil
}

func (r *rule) checkElsewhere(ctx context.Context, c *Arrival, password string) (ok bool, why string, err error) {
	if r.method == methodPAM {
		return checkPAM(ctx, r.service, c, password)
	}
	return r.directory.checkPassword(ctx, c.User, password)
}

// cannotAsk is the refusal of a client whose password nobody could check.
func (a *Authenticator) cannotAsk(r *rule, c *Arrival, err error) error {
	who := "the LDAP server"
	if r.method == methodPAM {
		who = "PAM"
	}
	e := wire.Fatal(wire.CannotConnectNow, "cannot check the password of user \"%s\": %s did not answer", c.User, who)
	e.Hint = "Try again; Portero's log says more."
	u := &Unanswered{Err: err, Refused: errors.Is(err, errLDAPRefuses) || errors.Is(err, errPAM)}
	if u.Refused {
		e = wire.Fatal(wire.ConfigFileError, "cannot check the password of user \"%s\": %s is not set up for it", c.User, who)
		e.Hint = "Whoever runs Portero finds the reason in its log."
	}
	return &LookupFailed{said: e, Unanswered: u}
}

// errPAM is a PAM that has nothing to say of the password.
var errPAM = errors.New("PAM cannot be asked")
