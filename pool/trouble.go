package pool

import (
	"errors"
	"net"

	"portero/loop"
	"portero/wire"
)

// trouble is why a server could not be opened, for the client that waits for it
// in vain. What only operators should know, such as addresses, is left to the log.
type trouble struct {
	words string
	at    int64
}

// errTLS marks what goes wrong between the dial and the login.
var errTLS = errors.New("TLS failed")

func (p *Pool) troubledLocked(words string) {
	p.trouble, p.failing = trouble{words, loop.Clock()}, true
}

func (p *Pool) troubled(words string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.troubledLocked(words)
}

// Trouble says, in words for a client, why the last server could not be opened;
// "" if that was before since, in loop time, or if it could. Any goroutine.
func (p *Pool) Trouble(since int64) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.trouble.at < since {
		return ""
	}
	return p.trouble.words
}

// inWords is what a client may know of an error.
func inWords(err error) string {
	for _, verdict := range verdicts {
		if errors.Is(err, verdict) {
			return verdict.Error()
		}
	}
	var said *wire.Error
	var inTime net.Error
	var dial *net.OpError
	switch {
	case errors.Is(err, errConnectQuery):
		return errConnectQuery.Error()
	case errors.Is(err, errTLS):
		return "TLS with the server failed"
	case errors.As(err, &said):
		return "the server said " + said.Severity + ": " + said.Message
	case errors.As(err, &inTime) && inTime.Timeout():
		return "the server did not answer in time"
	case errors.As(err, &dial) && dial.Op == "dial":
		return "the server cannot be reached"
	}
	return "the server did not answer the login as PostgreSQL does"
}
