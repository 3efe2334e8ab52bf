package pool

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/session"
	"portero/wire"
)

// maxWelcomes bounds how many different settings a pool keeps an answer for.
const maxWelcomes = 256

// welcome is what a client is told of a server, ParameterStatus messages.
type welcome struct {
	messages []byte
	name     int // application_name's message begins here,
	behind   int // and ends here; the same: there is none
}

// newWelcome finds the name in it.
func newWelcome(messages []byte) welcome {
	w := welcome{messages: messages}
	for i := 0; ; {
		f, ok, err := wire.Next(messages[i:])
		if err != nil || !ok || !f.Whole() {
			return w
		}
		end := i + wire.HeaderLen + f.Size
		if told, _, ok := wire.ParameterStatus(f.Body); ok && told == applicationName {
			w.name, w.behind = i, end
			return w
		}
		i = end
	}
}

// appendTo adds the messages to dst, with that as application_name.
func (w welcome) appendTo(dst []byte, name string) []byte {
	dst = append(dst, w.messages[:w.name]...)
	if w.behind > w.name {
		dst = wire.Append(dst, &pgproto3.ParameterStatus{Name: applicationName, Value: name})
	}
	return append(dst, w.messages[w.behind:]...)
}

// AppendWelcome adds to dst the ParameterStatus messages for a client with these
// settings, as a server of the present epoch has reported them. False: no such
// server has been asked yet.
func (p *Pool) AppendWelcome(dst []byte, s session.Settings) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v := p.cluster().View(); v != p.followed { // the pool has not heard of it yet
		if pl := p.plan(v); pl.known {
			p.expireWelcomesLocked(pl.epoch)
		}
	}
	if w, ok := p.welcomes[s]; ok {
		return append(dst, w.messages...), true
	}
	name, _ := s.Get(applicationName)
	if w, ok := p.welcomes[s.With(applicationName, anybody)]; ok && session.IsPlainName(name) {
		return w.appendTo(dst, name), true
	}
	return dst, false
}

// anybody stands for the application_name in the settings of clients that differ in nothing
// else, and are told the same but for that.
const anybody = "\x01"

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
	p.welcomes[s] = newWelcome(messages)
}

// expireWelcomesLocked forgets what servers of epochs before this one have said.
func (p *Pool) expireWelcomesLocked(epoch uint64) {
	if epoch > p.saidIn {
		p.saidIn = epoch
		clear(p.welcomes)
	}
}
