package proxy

import (
	"maps"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/metrics"
	"portero/pool"
	"portero/wire"
)

// greet ends a client's login: the parameters of the server really in use, the
// client's cancel key, ReadyForQuery. While there is no leader the client is
// held here.
func (w *work) greet() metrics.Reason {
	welcome, ok := w.c.pool.Welcome(w.sess.settings)
	if !ok {
		var why metrics.Reason
		if welcome, why = w.learnWelcome(); why != metrics.None {
			return why
		}
	}
	b := slices.Clone(welcome)
	secret := []byte{byte(w.c.secret >> 24), byte(w.c.secret >> 16), byte(w.c.secret >> 8), byte(w.c.secret)}
	b = appendMessage(b, &pgproto3.BackendKeyData{ProcessID: w.c.id, SecretKey: secret})
	b = appendMessage(b, &pgproto3.ReadyForQuery{TxStatus: 'I'})
	w.c.sock.Write(b) //nolint:errcheck // a client that is gone is noticed by its next event
	w.c.greeted = true
	if w.c.proxy.cfg.Log.Connections {
		w.c.proxy.log.Info("client logged in", "id", w.c.id, "address", w.c.addr, "user", w.c.pool.Key.User,
			"database", w.c.pool.Key.Database, "tls", w.c.sock.IsTLS())
	}
	return metrics.None
}

// learnWelcome gives a server the client's settings and notes what it reports.
func (w *work) learnWelcome() ([]byte, metrics.Reason) {
	w.c.pool.Acquire(&w.claim)
	if why := w.obtain(); why != metrics.None {
		return nil, why
	}
	s := w.claim.Server
	welcome := parameters(s)
	w.c.pool.KeepWelcome(w.sess.settings, s, welcome)
	w.c.pool.Release(&w.claim)
	return welcome, metrics.None
}

// parameters is a server's ParameterStatus messages, in the order of the names.
func parameters(s *pool.Server) []byte {
	var b []byte
	all := s.Parameters()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b = appendMessage(b, &pgproto3.ParameterStatus{Name: name, Value: all[name]})
	}
	return b
}

func appendMessage(dst []byte, m wire.Message) []byte {
	out, err := m.Encode(dst)
	if err != nil {
		return dst // longer than a frame; what a server has sent us is not
	}
	return out
}
