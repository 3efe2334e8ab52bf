package proxy_test

import (
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
)

// refusedWith reads a FATAL error and the end.
func (r *raw) refusedWith(code, message string) *pgproto3.ErrorResponse {
	r.t.Helper()
	e, ok := r.receive().(*pgproto3.ErrorResponse)
	if !ok || e.Severity != "FATAL" || e.Code != code || e.Message != message {
		r.t.Fatalf("got %+v, want FATAL %s %s", e, code, message)
	}
	said := *e
	r.ended()
	return &said
}

const withoutTLS = `no pg_hba.conf entry for host "127.0.0.1", user "app", database "app", no encryption`

func TestNobodyPassesAListenerWithClientCAWithoutACertificate(t *testing.T) {
	ca := newAuthority(t, t.TempDir())
	ours, theirs := ca.sign("ours", certificateFor("whoever")), newAuthority(t, t.TempDir()).sign("theirs", certificateFor("whoever"))
	server := certificateFor("whoever")
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	notForClients := ca.sign("server", server)
	// Not even with a mode that config refuses: the listener holds this itself.
	for _, mode := range []string{"prefer", "require", "disable", ""} {
		w := start(t, certifying(t, 0, ca, mode))
		r := w.plug()
		r.startup("user", "app", "database", "app")
		if said := r.refusedWith("28000", withoutTLS); !strings.Contains(said.Hint, "TLS") {
			t.Errorf("hint %q", said.Hint)
		}
		if mode == "disable" {
			continue
		}
		ask := func() *raw {
			r := w.plug()
			r.sendBytes(sslRequest)
			r.answers('S')
			return r
		}
		r, err := ask().as(issued{})
		if err != nil {
			t.Fatal(err)
		}
		r.startup("user", "app")
		r.refusedWith("28000", "connection requires a valid client certificate")
		for name, id := range map[string]issued{"of another authority": theirs, "not for clients": notForClients} {
			r, err := ask().as(id)
			if err == nil { // the alert comes behind a handshake of TLS 1.3
				r.fe.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "app"}})
				r.fe.Flush() //nolint:errcheck // the server may have gone
				_, err = r.fe.Receive()
			}
			if err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("certificate %s: %v", name, err)
			}
		}
		for _, direct := range []bool{false, true} {
			r := w.plug()
			if !direct {
				r = ask()
			}
			if r, err = r.as(ours, "postgresql"); err != nil {
				t.Fatal(err)
			}
			r.login("user", "app")
			r.ask(answer, q("select 1"))
		}
		r, err = w.plug().as(issued{}, "postgresql")
		if err != nil {
			t.Fatal(err)
		}
		r.startup("user", "app")
		r.refusedWith("28000", "connection requires a valid client certificate")
	}
}

func TestDriversWithACertificatePassAListenerWithClientCA(t *testing.T) {
	ca := newAuthority(t, t.TempDir())
	id := ca.sign("ours", certificateFor("whoever"))
	w := start(t, certifying(t, 0, ca, "require"))
	if code := w.sqlState("app", "", "sslmode=require", "sslcert="+id.cert, "sslkey="+id.key); code != "" {
		t.Errorf("pgx: %s", code)
	}
	if out, err := w.psql([]string{"PGSSLMODE=require", "PGSSLCERT=" + id.cert, "PGSSLKEY=" + id.key}, "-c", "select 7"); err != nil || out != "7" {
		t.Errorf("psql: %s, %v", out, err)
	}
	out, err := w.psql([]string{"PGSSLMODE=prefer"}, "-c", "select 7")
	if err == nil || !strings.Contains(out, "connection requires a valid client certificate") || !strings.Contains(out, withoutTLS) {
		t.Errorf("psql without a certificate: %s, %v", out, err)
	}
}

func TestCancelRequestInPlainTextReachesAStatementOfAClientWithACertificate(t *testing.T) {
	ca := newAuthority(t, t.TempDir())
	w := start(t, certifying(t, 0, ca, "require"), size(1))
	r, err := w.secureAs(ca.sign("ours", certificateFor("whoever")))
	if err != nil {
		t.Fatal(err)
	}
	r.login("user", "app")
	pid := r.value("select pg_backend_pid()")
	r.send(q("select pg_sleep(60)"))
	asleep(t, pid)
	w.cancel(r)
	r.expect("T E(ERROR_57014) Z(I)")
}

// secureAs asks for TLS and goes over to it with a certificate.
func (w *world) secureAs(id issued) (*raw, error) {
	w.t.Helper()
	r := w.plug()
	r.sendBytes(sslRequest)
	r.answers('S')
	return r.as(id)
}

func TestACertificateInTheNameOfItsUserIsALogin(t *testing.T) {
	sideBySide(t)
	ca := newAuthority(t, t.TempDir())
	twoNames := certificateFor("other")
	twoNames.DNSNames, twoNames.EmailAddresses = []string{"db.example", "app"}, []string{"zoe@example.com", "app@example.com"}
	nameless := certificateFor("")
	certs := map[string]issued{
		"app": ca.sign("app", certificateFor("app")), "other": ca.sign("other", twoNames), "nameless": ca.sign("nameless", nameless),
	}
	ident := filepath.Join(t.TempDir(), "pg_ident.conf")
	if err := os.WriteFile(ident, []byte("m other app\nmail /^(.*)@example\\.com$ \\1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		rule config.AuthRule
		in   []string // the certificates that let app in
	}{
		{"CN", config.AuthRule{}, []string{"app"}},
		{"CN and a map", config.AuthRule{Map: "m"}, []string{"other"}},
		{"DNS", config.AuthRule{ClientName: "DNS"}, []string{"other"}},
		{"e-mail", config.AuthRule{ClientName: "email"}, nil},
		{"e-mail and a map", config.AuthRule{ClientName: "email", Map: "mail"}, []string{"other"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule := c.rule
			rule.Type, rule.Database, rule.User, rule.Method = "hostssl", []string{"app"}, []string{"all"}, "cert"
			w := start(t, certifying(t, 0, ca, "require"), func(cfg *config.Config) {
				cfg.Auth = config.Auth{Rules: []config.AuthRule{rule}, IdentFile: ident}
			})
			for name, id := range certs {
				r, err := w.secureAs(id)
				if err != nil {
					t.Fatal(err)
				}
				if slices.Contains(c.in, name) {
					r.login("user", "app")
					r.ask(answer, q("select 1"))
					continue
				}
				r.startup("user", "app")
				r.refusedWith("28000", `certificate authentication failed for user "app"`)
			}
			eventually(t, "the log says why", func() bool { return strings.Contains(w.log.text(), "certificate is in the name of") })
		})
	}
}

func TestMethodCertLetsInByCertificateOnly(t *testing.T) {
	ca := newAuthority(t, t.TempDir())
	w := start(t, certifying(t, 0, ca, "require"), func(c *config.Config) {
		c.Auth = config.Auth{Method: "cert"}
		c.Listeners = append(c.Listeners, config.Listener{Address: "127.0.0.1:0"})
	})
	r, err := w.secureAs(ca.sign("app", certificateFor("app")))
	if err != nil {
		t.Fatal(err)
	}
	r.login("user", "app")
	r.ask(answer, q("select 1"))
	r = plugInto(t, must(net.Dial("tcp", w.addresses[1]))(t))
	r.startup("user", "app")
	r.refusedWith("28000", withoutTLS)
}
