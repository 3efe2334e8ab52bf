package pool

import (
	"errors"
	"time"

	"portero/auth"
	"portero/loop"
	"portero/wire"
)

// misfit is a server's refusal of what a client has given for the start of its
// session. It is the client's fault alone: the member has let us in, and nothing
// is held against it or the clients with other parameters.
type misfit struct {
	said  *wire.Error
	frame []byte // as it came
}

func (e *misfit) Error() string { return e.said.Error() }

// ofStartup is a failure that may be a client's fault, for what it has given: a
// server that is told to take a minute for its start, say. It is no refusal, and
// not held against the member.
type ofStartup struct{ error }

func (e *ofStartup) Unwrap() error { return e.error }

// isOfStartup tells both from a failure that is nobody's fault but the server's:
// it has let us in.
func isOfStartup(err error) bool {
	var unfit *misfit
	var own *ofStartup
	return errors.As(err, &unfit) || errors.As(err, &own)
}

// isBehindLogin reports whether a login failed when the server had taken our proof.
func isBehindLogin(err error) bool {
	var late *auth.Unready
	return errors.As(err, &late)
}

// mismatch says how a failure of a server behind AuthenticationOk is to be taken
// that was to be opened with st.
func mismatch(st Startup, err error) error {
	if err == nil || st == (Startup{}) {
		return err
	}
	var late *auth.Unready
	var said *wire.Error
	if !errors.As(err, &said) {
		if errors.As(err, &late) {
			return &ofStartup{err}
		}
		return err
	}
	frame := said.AsFatal().Append(nil) // of our own question; at a login it is FATAL as it comes
	if errors.As(err, &late) {
		frame = late.Frame
	}
	switch {
	case isOfLogin(said, frame):
		return err
	case said.Code == wire.TooManyConnections && st.replicates(): // places that are kept for good: no use to wait
		return &misfit{said, frame}
	case wire.IsTrouble(said.Code) && said.Code != "58P01": // that is a library which the client wants and is not there
		return &ofStartup{err}
	}
	return &misfit{said, frame}
}

// isOfLogin reports whether a refusal is about who logs in where, which
// PostgreSQL looks at behind AuthenticationOk and before the parameters.
func isOfLogin(said *wire.Error, frame []byte) bool {
	switch {
	case len(said.Code) != 5, said.Code[:2] == "28", said.Code == wire.UndefinedDatabase:
		return true
	case said.Code == "42501" && len(frame) > wire.HeaderLen: // CONNECT on the database; else a parameter
		return wire.ErrorField(frame[wire.HeaderLen:], 'R') == "CheckMyDatabase"
	}
	return false
}

// A misfit is remembered for a moment, so that a client that comes again and
// again in a tight loop does not close an idle server of others each time.
const (
	rememberMisfit = 100 * time.Millisecond
	maxMisfits     = 256
)

type knownMisfit struct {
	*misfit
	until int64 // of the process clock
}

// misfitLocked ends the waits of those who have given what was refused, and has
// no server opened with it that nobody waits for.
func (p *Pool) misfitLocked(st Startup, e *misfit) (failed []*Claim) {
	if len(p.misfits) >= maxMisfits {
		clear(p.misfits)
	}
	if p.usual == st {
		p.usual = Startup{}
	}
	p.misfits[st] = knownMisfit{e, loop.Clock() + int64(rememberMisfit)}
	for _, q := range p.queues() {
		for c := q.first; c != nil; {
			next := c.next
			if c.Startup == st {
				p.leavesLocked(c)
				c.failed, c.failedBy = e.said.AsFatal(), e.frame
				failed = append(failed, c)
			}
			c = next
		}
	}
	return failed
}

// knownMisfitLocked returns what a server has said to the same a moment ago, nil
// for nothing.
func (p *Pool) knownMisfitLocked(st Startup) *misfit {
	if len(p.misfits) == 0 {
		return nil
	}
	known, is := p.misfits[st]
	if !is || loop.Clock() >= known.until {
		delete(p.misfits, st)
		return nil
	}
	return known.misfit
}
