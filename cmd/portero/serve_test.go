package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/config"
	"portero/internal/lab"
	"portero/metrics"
)

// patience is how long a test waits for what should be there at once.
const patience = lab.Patience

// eventually asks until the answer is nil.
func eventually(t *testing.T, ask func() error) {
	t.Helper()
	lab.Eventually(t, "not yet", ask)
}

// freeAddresses are n addresses of loopback that nobody else takes.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	addresses, err := lab.ReserveAddresses(n)
	if err != nil {
		t.Fatal(err)
	}
	return addresses
}

// configText is a configuration for one PostgreSQL, or several with `", "` between
// them, with more lines for [pool].
func configText(postgres, pool string) string {
	return fmt.Sprintf(`
[log]
format = "json"
[[cluster]]
name = "local"
hosts = ["%s"]
[pool]
%s
[auth]
method = "trust"
`, postgres, pool)
}

// configFor writes it to a file, with addresses.
func configFor(t *testing.T, postgres, listen, admin, pool string) string {
	t.Helper()
	addresses := fmt.Sprintf("[admin]\naddress = %q\n[[listener]]\naddress = %q\n", admin, listen)
	return writeFile(t, "proxy.toml", configText(postgres, pool)+addresses)
}

func connect(t *testing.T, address string) *pgconn.PgConn {
	t.Helper()
	client, err := tryConnect(t, address, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// tryConnect connects a client that ends with the test at the latest.
func tryConnect(t *testing.T, address, database string) (*pgconn.PgConn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client, err := pgconn.Connect(ctx, "postgres://postgres@"+address+"/"+database+"?sslmode=disable")
	if err == nil {
		t.Cleanup(func() { hangUp(client) })
	}
	return client, err
}

func hangUp(client *pgconn.PgConn) {
	soon, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	client.Close(soon) //nolint:errcheck // it may have been cut
}

// ask runs statements in one simple query and returns the first value of the last.
func ask(ctx context.Context, client *pgconn.PgConn, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	results, err := client.Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return "", err
	}
	if rows := results[len(results)-1].Rows; len(rows) > 0 {
		return string(rows[0][0]), nil
	}
	return "", nil
}

func mustAsk(t *testing.T, client *pgconn.PgConn, sql, want string) {
	t.Helper()
	got, err := ask(t.Context(), client, sql)
	if err != nil || got != want {
		t.Fatalf("%s: %q, %v; want %q", sql, got, err, want)
	}
}

// startHere starts Portero within the test.
func startHere(t *testing.T, path string) *instance {
	t.Helper()
	p, ok := load(path, t.Output())
	if !ok {
		t.Fatal("the configuration is wrong")
	}
	in := newInstance(path, &metrics.Process{})
	in.log = slog.New(slog.DiscardHandler)
	if err := in.start(p); err != nil {
		t.Fatal(err)
	}
	return in
}

// stopHere ends it as a signal does.
func stopHere(t *testing.T, in *instance, sig os.Signal) {
	t.Helper()
	signals := make(chan os.Signal, 1)
	signals <- sig
	if status := in.untilSignal(signals, nil); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// taken is what a Portero that has ended must have given back.
type taken struct{ goroutines, descriptors int }

func takenNow(t *testing.T) taken {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return taken{runtime.NumGoroutine(), len(open)}
}

// expectReturn waits until nothing more is in use than before.
func expectReturn(t *testing.T, before taken) {
	t.Helper()
	eventually(t, func() error {
		now := takenNow(t)
		if now.goroutines <= before.goroutines && now.descriptors <= before.descriptors {
			return nil
		}
		stacks := make([]byte, 64<<10)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return fmt.Errorf("%+v were in use before, %+v are now\n%s", before, now, stacks)
	})
}

func TestNothingIsLeftOfAnInstanceThatServedClients(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	free := freeAddresses(t, 2)
	path := configFor(t, postgres.Address(), free[0], free[1], "pool_size = 3")
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			before := takenNow(t)
			in := startHere(t, path)
			var clients []*pgconn.PgConn
			for range 5 {
				client := connect(t, free[0])
				mustAsk(t, client, "select 40 + 2", "42")
				clients = append(clients, client)
			}
			stopHere(t, in, sig)
			for _, client := range clients {
				hangUp(client)
			}
			expectReturn(t, before)
		})
	}
}

func TestNothingIsLeftOfAnInstanceThatFoundNoEtcd(t *testing.T) {
	free := freeAddresses(t, 3)
	path := writeFile(t, "proxy.toml", fmt.Sprintf(`
[admin]
address = %q
[[listener]]
address = %q
[[cluster]]
name = "main"
discovery = "patroni"
scope = "demo"
etcd = { endpoints = [%q] }
[auth]
method = "trust"
`, free[0], free[1], free[2]))
	before := takenNow(t)
	in := startHere(t, path)
	held := connectInBackground(t, free[1])
	eventually(t, func() error {
		if in.proxy.Clients() == 0 {
			return fmt.Errorf("the client is not held yet")
		}
		return nil
	})
	stopHere(t, in, syscall.SIGTERM)
	if err := <-held; err == nil {
		t.Error("a client was served without a leader")
	}
	expectReturn(t, before)
}

// connectInBackground connects a client that is to be refused, and tells how it ended.
func connectInBackground(t *testing.T, address string) <-chan error {
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		client, err := pgconn.Connect(ctx, "postgres://postgres@"+address+"/postgres?sslmode=disable")
		if err == nil {
			hangUp(client)
		}
		ended <- err
	}()
	return ended
}

func TestWithoutAFileItIsThePostgresNextDoor(t *testing.T) {
	p, ok := load("", io.Discard)
	if !ok {
		t.Fatal("no configuration")
	}
	if got := p.cfg.Listeners[0].Address; got != "127.0.0.1:6432" {
		t.Errorf("clients on %s", got)
	}
	if got := p.cfg.Clusters[0]; got.Discovery != "static" || len(got.Hosts) != 1 || got.Hosts[0] != "127.0.0.1:5432" {
		t.Errorf("servers at %+v", got)
	}
	if got := p.cfg.Auth.Method; got != "trust" {
		t.Errorf("clients prove themselves by %s", got)
	}
}

func TestTheLogHasTheFormAndLevelAskedFor(t *testing.T) {
	for _, c := range []struct{ level, format, want string }{
		{"info", "text", "level=INFO msg=heard\n"},
		{"error", "text", ""},
		{"debug", "json", `"level":"INFO","msg":"heard"}` + "\n"},
	} {
		var out strings.Builder
		slog.New(form(c.format, levelOf(config.Log{Level: c.level}))(&out)).Info("heard")
		if got := out.String(); !strings.HasSuffix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("level %s, format %s: %q, want the end %q", c.level, c.format, got, c.want)
		}
	}
}
