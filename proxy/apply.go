package proxy

import (
	"portero/loop"
	"portero/metrics"
	"portero/session"
	"portero/wire"
)

// fit says whether a server can have the client's settings.
type fit uint8

const (
	fits     fit = iota // it has them
	refused             // no server will have them; this one is as it was
	unfit               // it must be closed, another may do
	doubtful            // likewise, and only one that is as new can tell whose fault it is
)

// applied is what came of bringing a server to the client's settings.
type applied struct {
	fit  fit
	said *wire.Error    // refused: what the client is to be told
	why  metrics.Reason // unfit, doubtful: why the server is closed
}

// maxUnfit is how many servers that are as new are tried for one client.
const maxUnfit = 5

// apply makes the server's settings the client's. Where that fails, the statement
// that did says whose fault it is. What earlier clients have left and cannot be
// taken away costs the server, never the client. What the client wants and is
// refused may still be refused for what earlier ones have done (a library was
// loaded, a temporary table was used): a server that is as new has the last word.
func (r *relay) apply() applied {
	s, p, want := r.claim.Server, r.at, r.sess.Settings()
	messages, resets := want.AppendChange(nil, s.Applied)
	o := r.roundTrip(messages, false)
	switch {
	case o.why != metrics.None:
		r.logServer(o.said)
		return applied{fit: unfit, why: o.why}
	case o.status != 'I':
		return applied{fit: unfit, why: metrics.ServerProtocol}
	case o.said == nil:
		s.Applied = want
		return applied{}
	case o.done < resets, wire.IsTrouble(o.said.Code):
		r.c.proxy.log.Warn("server not clean", "member", s.Member(), "pid", s.PID(), "error", o.said.Error())
		return applied{fit: unfit, why: metrics.ServerDirty}
	case s.AsNew():
		p.KeepObjection(want, o.said)
		return applied{fit: refused, said: o.said}
	case p.Objected(want, o.said):
		return applied{fit: refused, said: o.said}
	}
	return applied{fit: doubtful, why: metrics.ServerDirty}
}

// isSet reports whether the lent server has the client's settings, and owes nothing. In session
// mode it was opened with them.
func (r *relay) isSet() bool {
	s := r.claim.Server
	return s.Applied == r.sess.Settings() && s.Owed == 0 || r.c.mode == modeSession
}

// suits reports whether the lent server has the client's settings, or is to have them with the
// client's first bytes (goAhead): then there is nothing to wait for.
func (r *relay) suits() bool {
	s, want := r.claim.Server, r.sess.Settings()
	if s.Applied == want || r.c.mode == modeSession {
		return true
	}
	_, ok := want.Renames(s.Applied)
	return ok
}

// goAhead has what the server must be told before the client's frames go to it in one write
// with them. Call it right before they are sent.
func (r *relay) goAhead() {
	s, want := r.claim.Server, r.sess.Settings()
	queries := s.Owed
	s.Owed = 0
	if s.Applied != want && r.c.mode != modeSession {
		if name, ok := want.Renames(s.Applied); ok {
			r.st.edited = session.AppendRename(r.st.edited, name)
			queries++
		}
	}
	if queries > 0 {
		s.Applied = want
		r.sess.Ahead(queries)
	}
}

// misnamed has what the client has asked be cancelled, which runs under another's name.
func (r *relay) misnamed() {
	s := r.claim.Server
	r.c.proxy.log.Warn("a server's name was not set; what runs is cancelled", "member", s.Member(), "pid", s.PID(), "error", r.sess.Fault.Error())
	r.at.Interrupt(&r.claim)
}

// nameAgain gives the server the name that it has not taken when that went ahead. A transaction
// that is open is not to go on under another's.
func (r *relay) nameAgain() metrics.Reason {
	switch r.sess.Status() {
	case 'E': // nothing runs in it any more
		return metrics.None
	case 'T':
		return r.serverLost(metrics.ServerDirty, nil, nil)
	}
	name, _ := r.sess.Settings().Get("application_name")
	if !session.IsPlainName(name) { // the client has changed it meanwhile
		return r.serverLost(metrics.ServerDirty, nil, nil)
	}
	switch o := r.roundTrip(session.AppendRename(nil, name), false); {
	case o.why == metrics.Shutdown:
		r.at.Discard(&r.claim, o.why)
		return o.why
	case o.why != metrics.None:
		return r.serverLost(o.why, o.said, nil)
	case o.said != nil || o.status != 'I':
		return r.serverLost(metrics.ServerDirty, nil, nil)
	}
	r.sess.Renamed()
	return r.giveBack()
}

// passName reads until the server is at what the client has asked: a cancel request that came
// while it takes the name that went ahead would hit that. It parks, for server_connect_timeout
// at most.
func (r *relay) passName() {
	end := after(r.loop.Now(), r.c.proxy.config().Pool.ServerConnectTimeout)
	for r.sess.GoesAhead() && r.awaitServer(end) == metrics.None {
		buf, err := r.readServer(r.claim.Server, r.loop.Scratch())
		if err == loop.ErrNotNow {
			continue
		}
		for r.sess.GoesAhead() {
			f, ok, broken := wire.Next(buf)
			if err != nil || broken != nil || ok && !f.Whole() && f.Size > keepWhole {
				return
			}
			if !ok || !f.Whole() {
				break
			}
			if v := r.sess.FromServer(f); v == session.Dying || v == session.Violate {
				return
			}
			buf = buf[wire.HeaderLen+f.Size:]
		}
		r.out.keep(r.loop, buf)
	}
}

// refuseSettings tells a client what PostgreSQL would tell it at its login.
func (r *relay) refuseSettings(said *wire.Error) metrics.Reason {
	r.tell(said.AsFatal())
	return r.settingRefused(said)
}

// refuseStartup tells a client in session mode, or one that replicates, what PostgreSQL has told it.
func (r *relay) refuseStartup() metrics.Reason {
	r.c.sock.Write(r.claim.Refused) //nolint:errcheck // it is closed next
	if r.c.pool.Key.Replicates() {  // more often its right to do so, or the want of a place
		return r.senderRefused()
	}
	return r.settingRefused(r.claim.Err)
}

func (r *relay) settingRefused(said *wire.Error) metrics.Reason {
	r.at.Metrics().Error(metrics.SettingRefused)
	r.c.proxy.log.Info("client's setting refused", "id", r.c.id, "address", r.c.address(), "user", r.c.person.name,
		"database", r.at.Key.Database, "error", said.Error())
	return metrics.SettingRefused
}

// noneFits ends a client for which no server could be made ready.
func (r *relay) noneFits(why metrics.Reason) metrics.Reason {
	e := wire.Fatal(wire.ConnectionFailure, "no server could be made ready for this session (%s)", why)
	e.Hint = "Try again; the log of Portero has what the servers said."
	r.tell(e)
	return why
}
