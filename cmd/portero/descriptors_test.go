package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/config"
	"portero/internal/lab"
)

// withRoutes is the default configuration with routes of some pool size.
func withRoutes(n, size int) *config.Config {
	cfg := config.Default()
	route := cfg.Routes[0]
	route.PoolSize = size
	cfg.Routes = nil
	for range n {
		cfg.Routes = append(cfg.Routes, route)
	}
	return cfg
}

// named has the routes ask for one database and user.
func named(cfg *config.Config) *config.Config {
	for i := range cfg.Routes {
		cfg.Routes[i].Database, cfg.Routes[i].User = "shop", "app"
	}
	return cfg
}

// measured has the routes prefer the replicas of a cluster under Patroni.
func measured(cfg *config.Config) *config.Config {
	cfg.Clusters = []config.Cluster{{Name: cfg.Routes[0].Cluster, Discovery: "patroni"}}
	for i := range cfg.Routes {
		cfg.Routes[i].Role = "prefer-replica"
	}
	return cfg
}

func TestDescriptorsAreSharedOut(t *testing.T) {
	for _, c := range []struct {
		name                   string
		cfg                    *config.Config
		limit                  int
		clients, servers, late int
		warnings               int
	}{
		{"plenty", withRoutes(1, 20), 1 << 20, 10000, 1<<20 - 10000 - 512 - 64 - 41, 256, 0},
		{"members that are asked how far they are behind", measured(withRoutes(1, 20)), 1 << 20, 10000, 1<<20 - 10000 - 512 - 64 - 56, 256, 0},
		{"of a login shell", withRoutes(1, 20), 1024, 583, 256, 64, 1},
		{"of a login shell, names given", named(withRoutes(1, 20)), 1024, 819, 20, 64, 1},
		{"few", withRoutes(1, 20), 100, 14, 25, 8, 1},
		{"more servers than files", withRoutes(30, 100), 1024, 327, 512, 64, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := share(c.cfg, 2, c.limit)
			if err != nil {
				t.Fatal(err)
			}
			room := d.room(c.cfg)
			if room.Clients != c.clients || d.servers != c.servers || room.Late != c.late {
				t.Errorf("%d clients, %d servers, %d late; want %d, %d, %d", room.Clients, d.servers, room.Late, c.clients, c.servers, c.late)
			}
			if lines := d.warnings(c.cfg); len(lines) != c.warnings {
				t.Errorf("%d warnings, want %d: %q", len(lines), c.warnings, lines)
			}
			if all := d.own + d.consoles + d.servers + 2*d.late + d.clients; all != c.limit {
				t.Errorf("%d descriptors of %d are given away", all, c.limit)
			}
			if room.Clients > room.Highest {
				t.Errorf("%d clients cannot all have descriptors up to %d", room.Clients, room.Highest)
			}
		})
	}
	if _, err := share(withRoutes(1, 20), 2, 64); err == nil {
		t.Error("64 descriptors are called enough")
	}
}

// withFiles is the program where it may have so many open files: a script that sets the limits.
func withFiles(t *testing.T, soft, hard int) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := writeFile(t, "portero", fmt.Sprintf("#!/bin/sh\nulimit -Sn %d && ulimit -Hn %d && exec '%s' \"$@\"\n", soft, hard, self))
	if err := os.Chmod(script, 0o700); err != nil {
		t.Fatal(err)
	}
	return script
}

// small is a configuration that is the same on every machine.
func small(postgres, pool string) string { return "loops = 2\n" + configText(postgres, pool) }

func TestCheckSaysWhatDoesNotFitIntoTheLimitOfOpenFiles(t *testing.T) {
	path := writeFile(t, "proxy.toml", small("127.0.0.1:5432", "max_client_conn = 500"))
	for _, c := range []struct {
		soft, hard, status int
		says               string
	}{
		{2048, 2048, 0, ""},
		{100, 2048, 0, ""}, // the soft limit is for us to raise
		{256, 256, 0, path + ": warning: pool.max_client_conn: the limit of open files, 256, has room for "},
		{60, 60, 1, path + ":9: pool.max_client_conn: the limit of open files, 60, leaves none for clients"},
	} {
		text, status := runProcess(withFiles(t, c.soft, c.hard), "check", "--config", path)
		if status != c.status || !strings.Contains(text, c.says) || c.says == "" && text != "" {
			t.Errorf("with %d of %d open files: exit status %d, %q; want %d, %q", c.soft, c.hard, status, text, c.status, c.says)
		}
	}
}

// startSmall runs Portero with few open files, and returns once it is ready.
func startSmall(t *testing.T, soft, hard int, config string) process {
	t.Helper()
	p := startProcess(t, lab.PorteroOptions{Program: withFiles(t, soft, hard), Config: config})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

// crowd is clients that come until they are many, and stay.
func crowd(t *testing.T, address string, n int) (served []*pgconn.PgConn, refused int) {
	t.Helper()
	for range n {
		client, err := tryConnect(t, address, "postgres")
		var said *pgconn.PgError
		switch {
		case err == nil:
			served = append(served, client)
		case errors.As(err, &said) && said.Code == "53300":
			refused++
		default:
			t.Fatalf("client %d: %v", len(served)+refused, err)
		}
	}
	return served, refused
}

func TestClientsLeaveDescriptorsForEverythingElse(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create database other"}})
	p := startSmall(t, 50, 100, small(postgres.Address(), "pool_size = 10"))
	if !strings.Contains(p.Log(), "pool.max_client_conn: the limit of open files, 100, has room for ") {
		t.Error("the log does not say that the limit is too low")
	}
	other, err := tryConnect(t, p.Address, "other") // a pool that has no server yet, later
	if err != nil {
		t.Fatal(err)
	}
	served, refused := crowd(t, p.Address, 199)
	if len(served) < 13 || refused == 0 {
		t.Fatalf("%d clients are served, %d refused", len(served), refused)
	}
	for range 3 { // silent ones, beyond all limits
		silent, err := net.Dial("tcp", p.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
	}

	t.Run("a pool is filled", func(t *testing.T) {
		for _, client := range served[:10] {
			mustAsk(t, client, "begin; select 40 + 2", "42")
		}
		for _, client := range served[:10] {
			mustAsk(t, client, "commit", "")
		}
	})
	t.Run("lost servers are replaced", func(t *testing.T) {
		postgres.Kill()
		if err := postgres.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, client := range served {
			mustAsk(t, client, "select 40 + 3", "43")
		}
	})
	t.Run("another pool opens its first server", func(t *testing.T) {
		mustAsk(t, other, "select current_database()", "other")
	})
	t.Run("operators are answered", func(t *testing.T) {
		if status, body := p.get(t, "/metrics"); status != http.StatusOK ||
			!strings.Contains(body, fmt.Sprintf("\nportero_clients %d\n", len(served)+1)) {
			t.Errorf("/metrics: %d", status)
		}
	})
	t.Run("a statement is cancelled", func(t *testing.T) {
		cancelled := make(chan error, 1)
		go func() {
			_, err := ask(t.Context(), served[0], "select pg_sleep(60)")
			cancelled <- err
		}()
		eventually(t, func() error { return sleeps(t, postgres) })
		if err := served[0].CancelRequest(t.Context()); err != nil {
			t.Error(err)
		}
		var said *pgconn.PgError
		if err := <-cancelled; !errors.As(err, &said) || said.Code != "57014" {
			t.Errorf("it ended with %v", err)
		}
	})
	if n := strings.Count(p.Log(), `"msg":"accept"`); n > 0 {
		t.Errorf("%d times there was no descriptor for a connection", n)
	}
}

// Servers that clients have left idle, in however many pools, keep nobody out.
func TestIdleServersOfManyPoolsLeaveRoomForClientsAndOtherPools(t *testing.T) {
	const pools, size = 8, 15
	var sql []string
	for i := range pools {
		sql = append(sql, fmt.Sprintf("create database d%d", i))
	}
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{SQL: sql, MaxConnections: 200})
	p := startSmall(t, 200, 200, small(postgres.Address(), fmt.Sprintf("pool_size = %d", size)))
	for i := range pools {
		fill(t, p.Address, fmt.Sprint("d", i), size)
	}
	limit := 0
	eventually(t, func() error {
		_, metrics := p.get(t, "/metrics")
		limit = valueOf(t, metrics, "portero_clients_limit")
		if n := valueOf(t, metrics, "portero_clients"); n > 0 {
			return fmt.Errorf("%d clients have not gone yet", n)
		}
		return nil
	})
	served, refused := crowd(t, p.Address, limit+5)
	if len(served) != limit || refused != 5 {
		t.Errorf("%d clients are served and %d refused, of at most %d", len(served), refused, limit)
	}
	for _, client := range served {
		mustAsk(t, client, "select 1", "1")
	}
	if strings.Contains(p.Log(), "too many open files") {
		t.Error("descriptors ran out")
	}
	if !strings.Contains(p.Log(), "server evicted") {
		t.Error("the servers were not too many: the test shows nothing")
	}
}

// fill has n clients use a pool at one time, and go.
func fill(t *testing.T, address, database string, n int) {
	t.Helper()
	for range n {
		client, err := tryConnect(t, address, database)
		if err != nil {
			t.Fatal(err)
		}
		defer hangUp(client)
		mustAsk(t, client, "begin; select 1", "1")
	}
}

// valueOf is the value of a metric without labels.
func valueOf(t *testing.T, text, name string) int {
	t.Helper()
	_, rest, _ := strings.Cut(text, "\n"+name+" ")
	value, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// sleeps is nil while some statement sleeps.
func sleeps(t *testing.T, postgres *lab.Postgres) error {
	t.Helper()
	client := connect(t, postgres.Address())
	defer hangUp(client) // it is asked often
	n, err := ask(t.Context(), client, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'")
	if err == nil && n == "0" {
		err = errors.New("nothing sleeps")
	}
	return err
}

// Of thousands of connections for which there is no room, only some are worth a line.
func TestAStormOfConnectionsIsNoStormInTheLog(t *testing.T) {
	p := startSmall(t, 100, 100, small(freeAddresses(t, 1)[0], "max_logins = 10"))
	began := time.Now()
	for range 2000 {
		conn, err := net.Dial("tcp", p.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	eventually(t, func() error {
		if _, body := p.get(t, "/metrics"); !strings.Contains(body, "\nportero_clients_accepted_total 2000\n") {
			return errors.New("not all are accepted")
		}
		return nil
	})
	lines, most := strings.Count(p.Log(), "client refused"), 2*(1+int(time.Since(began)/(5*time.Second)))
	if lines == 0 || lines > most {
		t.Errorf("%d lines say that clients were refused, want 1 to %d", lines, most)
	}
}
