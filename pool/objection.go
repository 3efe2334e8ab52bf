package pool

import (
	"time"

	"portero/loop"
	"portero/session"
	"portero/wire"
)

// objection is what a server that was as new has said against the settings of a
// client.
type objection struct {
	settings      session.Settings
	code, message string
}

// objectionTo leaves out application_name: no server objects to it, and it
// differs between clients that are wrong in the same way.
func objectionTo(s session.Settings, said *wire.Error) objection {
	return objection{s.Without("application_name"), said.Code, said.Message}
}

// An objection is remembered, so that a client that comes again and again does
// not cost a server each time; but not for long, as what one server as new has
// refused the next may take.
const (
	rememberObjection = time.Minute
	maxObjections     = 256
)

// KeepObjection notes what a server that is as new says against the settings.
func (p *Pool) KeepObjection(s session.Settings, said *wire.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.objections) >= maxObjections {
		clear(p.objections)
	}
	p.objections[objectionTo(s, said)] = loop.Clock() + int64(rememberObjection)
}

// Objected reports whether a server that was as new has said the same of late:
// then it is not for what earlier clients have left that another says it.
func (p *Pool) Objected(s session.Settings, said *wire.Error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return loop.Clock() < p.objections[objectionTo(s, said)]
}
