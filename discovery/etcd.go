package discovery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/grpclog"

	"portero/config"
)

// gRPC would write to standard error by itself, past our log.
func init() {
	if os.Getenv("GRPC_GO_LOG_SEVERITY_LEVEL") == "" {
		grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	}
}

// endpoint is one member of etcd. Each is followed with a client of its own:
// a client over several would move watches and reads between members without
// saying so, and would not leave one that is cut off from the others.
type endpoint struct {
	name string // as configured
	host string // host:port
	tls  bool
}

// parseEndpoint reads host:port or http(s)://host:port. Without a scheme TLS is
// used if it is configured.
func parseEndpoint(text string, secure bool) (endpoint, error) {
	e := endpoint{name: text, host: text, tls: secure}
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil {
			return e, fmt.Errorf("etcd endpoint: %w", err)
		}
		if u.Scheme != "http" && u.Scheme != "https" {
			return e, fmt.Errorf("etcd endpoint %s: want http or https", text)
		}
		e.host, e.tls = u.Host, u.Scheme == "https"
	}
	if _, _, err := net.SplitHostPort(e.host); err != nil {
		return e, fmt.Errorf("etcd endpoint %s: %w", text, err)
	}
	return e, nil
}

// tlsConfig reads the certificates. It is called for each connection, so that
// renewed files are taken up.
func tlsConfig(cfg config.ClientTLS, host string) (*tls.Config, error) {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		return nil, err
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name, NextProtos: []string{"h2"}}
	if cfg.ServerName != "" {
		t.ServerName = cfg.ServerName
	}
	if cfg.CA != "" {
		pem, err := os.ReadFile(cfg.CA)
		if err != nil {
			return nil, fmt.Errorf("tls ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls ca: no certificate in %s", cfg.CA)
		}
	}
	if cfg.Cert != "" || cfg.Key != "" {
		pair, err := tls.LoadX509KeyPair(cfg.Cert, cfg.Key)
		if err != nil {
			return nil, fmt.Errorf("tls cert and key: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// dialer makes the one connection of a link. Whatever goes wrong with it, at
// once or later, is told to fail with its true cause: gRPC would hide it and
// dial again for ever.
type dialer struct {
	etcd config.Etcd
	to   endpoint
	fail context.CancelCauseFunc
}

func (d dialer) dial(ctx context.Context, _ string) (net.Conn, error) {
	server, err := d.connect(ctx)
	if err != nil {
		d.fail(err)
		return nil, err
	}
	return &lifeline{Conn: server, fail: d.fail}, nil
}

func (d dialer) connect(ctx context.Context) (net.Conn, error) {
	var plain net.Dialer
	server, err := plain.DialContext(ctx, "tcp", d.to.host)
	if err != nil || !d.to.tls {
		return server, err
	}
	cfg, err := tlsConfig(d.etcd.TLS, d.to.host)
	if err != nil {
		server.Close()
		return nil, err
	}
	secured := tls.Client(server, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		server.Close()
		return nil, fmt.Errorf("tls to %s: %w", d.to.host, err)
	}
	return secured, nil
}

// lifeline tells when a connection has ended: gRPC always has a read pending.
type lifeline struct {
	net.Conn
	fail context.CancelCauseFunc
}

func (l *lifeline) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		l.fail(fmt.Errorf("%s closed the connection", l.RemoteAddr()))
	} else if err != nil {
		l.fail(err)
	}
	return n, err
}

// newClient makes a client for one endpoint and logs it in, which may take as
// long as timeout. TLS is the dialer's, so the client is told http. The caller
// must close the client.
func (d dialer) newClient(ctx context.Context, timeout time.Duration) (*clientv3.Client, error) {
	var t token
	client, err := clientv3.New(clientv3.Config{
		Context:   ctx,
		Endpoints: []string{"http://" + d.to.host},
		// Keepalives free a watch whose peer has silently gone; re-reads notice it
		// long before.
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 3 * time.Second,
		MaxUnaryRetries:      1, // what fails ends the link
		Logger:               zap.NewNop(),
		DialOptions:          []grpc.DialOption{grpc.WithContextDialer(d.dial), grpc.WithPerRPCCredentials(&t)},
	})
	if err != nil {
		return nil, err
	}
	if err := d.logIn(ctx, client, &t, timeout); err != nil {
		err = cause(ctx, err) // before Close becomes the cause
		client.Close()
		return nil, err
	}
	return client, nil
}

// logIn gets a token for the user, if one is configured and etcd wants to know.
func (d dialer) logIn(ctx context.Context, client *clientv3.Client, t *token, timeout time.Duration) error {
	if d.etcd.Username == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := client.Authenticate(ctx, d.etcd.Username, d.etcd.Password)
	if errors.Is(err, rpctypes.ErrAuthNotEnabled) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("log in as %s: %w", d.etcd.Username, err)
	}
	t.value.Store(&answer.Token)
	return nil
}

// token proves the user of a link. clientv3 could keep it too, but renews one
// that has expired by sending the expired one along, which etcd 3.4 refuses, for
// as long as the context lives. Here a token lives as long as its link.
type token struct{ value atomic.Pointer[string] }

// GetRequestMetadata adds the token to each request.
func (t *token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if text := t.value.Load(); text != nil {
		return map[string]string{rpctypes.TokenFieldNameGRPC: *text}, nil
	}
	return nil, nil
}

// RequireTransportSecurity is for the configuration to decide.
func (t *token) RequireTransportSecurity() bool { return false }
