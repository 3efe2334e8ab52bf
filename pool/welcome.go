package pool

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/session"
	"portero/wire"
)

// maxWelcomes bounds how many different settings a pool keeps an answer for.
const maxWelcomes = 256

// Welcome returns the ParameterStatus messages for a client with these
// settings, as a server of the present epoch has reported them. False: no such
// server has been asked yet.
func (p *Pool) Welcome(s session.Settings) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v := p.cluster().View(); v != p.followed { // the pool has not heard of it yet
		if pl := p.plan(v); pl.known {
			p.expireWelcomesLocked(pl.epoch)
		}
	}
	if b, ok := p.welcomes[s]; ok {
		return b, true
	}
	name, _ := s.Get(applicationName)
	if b, ok := p.welcomes[s.With(applicationName, anybody)]; ok && session.IsPlainName(name) {
		return renamed(b, name), true
	}
	return nil, false
}

// anybody stands for the application_name in the settings of clients that differ in nothing
// else, and are told the same but for that.
const anybody = "\x01"

// renamed is a welcome with another application_name.
func renamed(messages []byte, name string) (b []byte) {
	for {
		f, ok, err := wire.Next(messages)
		if err != nil || !ok || !f.Whole() {
			return b
		}
		if told, _, ok := wire.ParameterStatus(f.Body); ok && told == applicationName {
			b = wire.Append(b, &pgproto3.ParameterStatus{Name: applicationName, Value: name})
		} else {
			b = f.Append(b)
		}
		messages = messages[wire.HeaderLen+f.Size:]
	}
}

// KeepWelcome remembers what a lent server has reported with these settings. It
// may be of an epoch that it has opened itself, and that the pool has not heard of.
func (p *Pool) KeepWelcome(s session.Settings, from *Server, messages []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if from.epoch < p.saidIn || from.home != p.home.Load() {
		return
	}
	p.expireWelcomesLocked(from.epoch)
	if len(p.welcomes) >= maxWelcomes {
		clear(p.welcomes)
	}
	if name, _ := s.Get(applicationName); session.IsPlainName(name) {
		s = s.With(applicationName, anybody)
	}
	p.welcomes[s] = messages
}

// expireWelcomesLocked forgets what servers of epochs before this one have said.
func (p *Pool) expireWelcomesLocked(epoch uint64) {
	if epoch > p.saidIn {
		p.saidIn = epoch
		clear(p.welcomes)
	}
}
