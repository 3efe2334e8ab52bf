package pool

import "portero/session"

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
	b, ok := p.welcomes[s]
	return b, ok
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
	p.welcomes[s] = messages
}

// expireWelcomesLocked forgets what servers of epochs before this one have said.
func (p *Pool) expireWelcomesLocked(epoch uint64) {
	if epoch > p.saidIn {
		p.saidIn = epoch
		clear(p.welcomes)
	}
}
