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
	b, ok := p.welcomes[s]
	return b, ok
}

// KeepWelcome remembers what a lent server has reported with these settings.
func (p *Pool) KeepWelcome(s session.Settings, from *Server, messages []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Key.Role == "leader" && from.epoch != p.epoch {
		return
	}
	if len(p.welcomes) >= maxWelcomes {
		clear(p.welcomes)
	}
	p.welcomes[s] = messages
}
