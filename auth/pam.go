//go:build pam

package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/msteinert/pam/v2"
)

// withPAM says whether this Portero has been built to ask PAM.
const withPAM = true

// pamFolder is where services are described; "" is the system's own place.
var pamFolder = ""

// checkPAM asks PAM whether the password is the user's, and whether the user may
// log in now. It blocks, and returns with ctx, although PAM cannot be made to:
// its answer is of no use to anybody then.
func checkPAM(ctx context.Context, service string, c *Arrival, password string) (ok bool, why string, err error) {
	q := &pamQuestion{service: service, user: c.User, password: password, answer: make(chan error, 1)}
	if !c.Local {
		q.host = c.Address.Unmap().String()
	}
	go q.ask()
	select {
	case err = <-q.answer:
	case <-ctx.Done():
		return false, "", ctx.Err()
	}
	switch {
	case err == nil:
		return true, "", nil
	case errors.Is(err, errPAM):
		return false, "", err
	}
	return false, "PAM says: " + err.Error(), nil
}

// pamQuestion is what PAM is asked in a goroutine of its own.
type pamQuestion struct {
	service, user, password, host string
	answer                        chan error // has room for it
}

func (q *pamQuestion) ask() { q.answer <- q.run() }

func (q *pamQuestion) run() error {
	t, err := q.start()
	if err != nil {
		return fmt.Errorf("%w: %w", errPAM, err)
	}
	defer t.End() //nolint:errcheck // there is nothing that it could take back
	if q.host != "" {
		if err := t.SetItem(pam.Rhost, q.host); err != nil {
			return fmt.Errorf("%w: %w", errPAM, err)
		}
	}
	if err := t.Authenticate(0); err != nil {
		return broken(err)
	}
	return broken(t.AcctMgmt(0))
}

func (q *pamQuestion) start() (*pam.Transaction, error) {
	if pamFolder != "" {
		return pam.StartConfDir(q.service, q.user, pam.ConversationFunc(q.say), pamFolder)
	}
	return pam.StartFunc(q.service, q.user, q.say)
}

// say answers PAM's one question. What else it asks nobody could answer here.
func (q *pamQuestion) say(style pam.Style, text string) (string, error) {
	switch style {
	case pam.PromptEchoOff:
		return q.password, nil
	case pam.ErrorMsg, pam.TextInfo:
		return "", nil
	}
	return "", fmt.Errorf("PAM asks for more than a password: %q", text)
}

// broken marks an answer that is none to the question. PAM_SYSTEM_ERR is one: it is what
// pam_exec says when its program says no.
func broken(err error) error {
	for _, e := range []pam.Error{pam.ErrService, pam.ErrSymbol, pam.ErrOpen, pam.ErrBuf, pam.ErrAuthinfoUnavail, pam.ErrModuleUnknown, pam.ErrAbort} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", errPAM, err)
		}
	}
	return err
}
