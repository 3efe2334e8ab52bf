package proxy

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"portero/auth"
	"portero/metrics"
	"portero/pool"
	"portero/wire"
)

// refuse ends a handshake: one answer, one count, one line.
func (h *handshake) refuse(err error) {
	defer h.conn.Close()
	if errors.Is(err, errQuiet) {
		return
	}
	why := metrics.ClientProtocol
	var said *wire.Error
	var timeout net.Error
	var without *pool.Refused
	var lookup *auth.LookupFailed
	switch {
	case errors.As(err, &lookup) && errors.As(err, &said):
		why = metrics.LookupFailed
	case errors.Is(err, errTurnedOut):
		why, said = h.caller.tooMany()
	case errors.As(err, &without):
		why, said = without.Why, without.Said
	case errors.As(err, &said):
		why = refusalReason(said)
	case errors.As(err, &timeout) && timeout.Timeout():
		why = metrics.ClientLoginTimeout
		said = wire.Fatal(wire.ProtocolViolation, "login was not complete within client_login_timeout")
	case errors.Is(err, wire.ErrFrameLength):
		said = wire.Fatal(wire.ProtocolViolation, "%s", err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), isReset(err):
		why = metrics.ClientGone
	}
	if said != nil && !h.midTLS {
		h.lastWord(said)
	}
	h.proxy.refused(h.conn, why, err)
}

// refused counts a client that was turned away, and says so. In a storm only
// some of the lines about limits are loud.
func (p *Proxy) refused(conn net.Conn, why metrics.Reason, err error) {
	p.process.Refuse(why)
	level := slog.LevelInfo
	switch why {
	case metrics.TooManyClients, metrics.TooManyLogins, metrics.TooManyOfDatabase, metrics.TooManyOfUser, metrics.LookupFailed:
		level = p.refusals[why].level(slog.LevelWarn)
	}
	p.log.Log(p.ctx, level, "client refused", "address", conn.RemoteAddr().String(), "reason", why.String(), "error", err)
}

// lastWord sends the error and lets the client read it: bytes of its own that
// nobody has read would turn the close into a reset.
func (h *handshake) lastWord(e *wire.Error) {
	h.conn.SetDeadline(time.Now().Add(time.Second)) //nolint:errcheck // see handshake
	if h.stream.Write(e) != nil {
		return
	}
	if half, ok := h.conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil && h.caller.is(answered, 0) {
		io.Copy(io.Discard, io.LimitReader(h.conn, 1<<20)) //nolint:errcheck // only waits for the client's close
	}
}

func refusalReason(e *wire.Error) metrics.Reason {
	if e == errNotAllowed {
		return metrics.ClientAuthFailed
	}
	switch e.Code {
	case wire.InvalidPassword, wire.InvalidAuthorization, wire.ConfigFileError:
		return metrics.ClientAuthFailed
	case wire.TooManyConnections:
		return metrics.TooManyClients
	case wire.UndefinedDatabase:
		return metrics.NoRoute
	case wire.InternalError:
		return metrics.Internal
	}
	return metrics.ClientProtocol
}
