package pool

import (
	"testing"
	"time"

	"portero/config"
	"portero/internal/lab"
	"portero/loop"
	"portero/wire"
)

// Who waits in vain hears what is wrong, and nothing that is for operators only.
func TestTroubleSaysWhyNoServerWasOpened(t *testing.T) {
	for _, c := range []struct {
		name string
		host func(t *testing.T) string
		tls  string
		want string
	}{
		{"nobody there", func(t *testing.T) string { return lab.AddressForTest(t) }, "disable", "the server cannot be reached"},
		{"no TLS", func(t *testing.T) string { return startFake(t).addr }, "require", "TLS with the server failed"},
		{"no PostgreSQL", func(t *testing.T) string { return odd(t, func(f *fake) { f.garbage = true }) }, "disable", "the server did not answer the login as PostgreSQL does"},
		{"full", func(t *testing.T) string {
			return odd(t, func(f *fake) { f.refusal = wire.Fatal("53300", "sorry, too many clients already") })
		}, "disable", "the server said FATAL: sorry, too many clients already"},
		{"silent", func(t *testing.T) string { return odd(t, func(f *fake) { f.silent = true }) }, "disable", "the server did not answer in time"},
		{"a replica", func(t *testing.T) string { return odd(t, func(f *fake) { f.recovery = true }) }, "disable", errInRecovery.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := config.Cluster{Name: "main", Discovery: "static", Hosts: []string{c.host(t)}, TLS: config.ServerTLS{Mode: c.tls}}
			s := newStageOf(t, func(p *config.Pool) { p.ServerConnectTimeout = 300 * time.Millisecond }, cluster)
			p := s.join(1, 0, "leader", "app")
			s.client(p, 0).ask()
			wait(t, c.want, func() error { return until(p.Trouble(0) == c.want) })
			if late := p.Trouble(loop.Clock() + int64(time.Hour)); late != "" {
				t.Errorf("to one who came later: %q", late)
			}
		})
	}
}

// odd starts a fake that is not as it should be.
func odd(t *testing.T, how func(f *fake)) string {
	f := startFake(t)
	f.set(func() { how(f) })
	return f.addr
}
