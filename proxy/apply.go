package proxy

import (
	"portero/metrics"
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
	if s.Applied == want || r.c.mode == modeSession { // there it was opened with them
		return applied{}
	}
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

// refuseSettings tells a client what PostgreSQL would tell it at its login.
func (r *relay) refuseSettings(said *wire.Error) metrics.Reason {
	r.tell(said.AsFatal())
	return r.settingRefused(said)
}

// refuseStartup tells a client in session mode what PostgreSQL has told it.
func (r *relay) refuseStartup() metrics.Reason {
	r.c.sock.Write(r.claim.Refused) //nolint:errcheck // it is closed next
	return r.settingRefused(r.claim.Err)
}

func (r *relay) settingRefused(said *wire.Error) metrics.Reason {
	r.at.Metrics().Error(metrics.SettingRefused)
	r.c.proxy.log.Info("client's setting refused", "id", r.c.id, "address", r.c.addr, "user", r.c.person.name,
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
