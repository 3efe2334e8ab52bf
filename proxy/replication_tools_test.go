package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"portero/config"
	"portero/internal/lab"
)

// scrammed has clients come with TLS and SCRAM, and servers reached with both.
func scrammed(t *testing.T) func(*config.Config) {
	t.Helper()
	files := publisher.ForTest(t).Certificate
	by := authBy(t, "scram-sha-256", user("streamer", "secret"), user("app", "secret"))
	return func(c *config.Config) {
		by(c)
		c.Listeners[0].TLS = config.ListenerTLS{Cert: files.Cert, Key: files.Key, Mode: "require"}
		c.Clusters[0].TLS = config.ServerTLS{Mode: "verify-ca", CA: files.CA}
	}
}

// replicationTool is a program of PostgreSQL that goes through the proxy, as streamer.
func (w *world) replicationTool(name string, args ...string) *exec.Cmd {
	w.t.Helper()
	bin := must(lab.PostgresBin())(w.t)
	host, port, _ := strings.Cut(w.address(), ":")
	cmd := exec.CommandContext(bounded(w.t), filepath.Join(bin, name), append([]string{"-h", host, "-p", port, "-U", "streamer", "-w"}, args...)...)
	cmd.Env = append(os.Environ(), "PGPASSWORD=secret")
	return cmd
}

// outputOf runs a program to its end.
func outputOf(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// goesOn starts a program that does not end by itself; stop interrupts it and returns what it
// has said.
func goesOn(t *testing.T, cmd *exec.Cmd) (stop func() string) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	over := false
	stop = func() string {
		if !over {
			over = true
			cmd.Process.Signal(os.Interrupt) //nolint:errcheck // it has ended
			<-ended
		}
		return out.String()
	}
	t.Cleanup(func() { stop() })
	return stop
}

// publish has the publisher itself do something.
func (w *world) publish(sql ...string) {
	w.t.Helper()
	if err := lab.RunSQL(bounded(w.t), publisher.ForTest(w.t).SuperuserDSN("app"), sql...); err != nil {
		w.t.Fatal(err)
	}
}

func TestPgRecvlogical(t *testing.T) {
	w := startPublishing(t, scrammed(t))
	w.publish("create table changes (a int, b text)")
	defer w.publish("drop table changes")
	slot := func(args ...string) []string {
		return append([]string{"-d", "app", "--slot", "recvlogical"}, args...)
	}
	outputOf(t, w.replicationTool("pg_recvlogical", slot("--create-slot", "-P", "test_decoding")...))
	w.publish("insert into changes select 1, 'one'", "update changes set b = 'two'")
	file := filepath.Join(t.TempDir(), "changes")
	stop := goesOn(t, w.replicationTool("pg_recvlogical", slot("--start", "-n", "-s", "1", "-F", "0", "-f", file)...))
	decoded := func(line string) func() bool {
		return func() bool { b, _ := os.ReadFile(file); return strings.Contains(string(b), line) }
	}
	eventually(t, "what was there before", decoded("table public.changes: INSERT: a[integer]:1 b[text]:'one'"))
	w.publish(fmt.Sprintf("insert into changes select 3, repeat('x', %d)", 300<<10)) // a message that streams
	eventually(t, "what came later", decoded("b[text]:'"+strings.Repeat("x", 300<<10)+"'"))
	stop()
	outputOf(t, w.replicationTool("pg_recvlogical", slot("--drop-slot")...))
	if n := atPublisher(t, "select count(*) from pg_replication_slots"); n != "0" {
		t.Errorf("%s slots are left", n)
	}
}

// A copy of the cluster, with the WAL that it needs, by two walsenders.
func TestPgBasebackup(t *testing.T) {
	w := startPublishing(t, scrammed(t))
	backup := filepath.Join(t.TempDir(), "backup")
	outputOf(t, w.replicationTool("pg_basebackup", "-D", backup, "-X", "stream", "-c", "fast", "-C", "-S", "copied"))
	outputOf(t, exec.Command(filepath.Join(must(lab.PostgresBin())(t), "pg_verifybackup"), "-e", backup))
	outputOf(t, w.replicationTool("pg_receivewal", "-S", "copied", "--drop-slot"))
}

func TestPgReceivewal(t *testing.T) {
	w := startPublishing(t, scrammed(t))
	dir := t.TempDir()
	outputOf(t, w.replicationTool("pg_receivewal", "-S", "received", "--create-slot"))
	stop := goesOn(t, w.replicationTool("pg_receivewal", "-D", dir, "-S", "received", "--synchronous", "-n"))
	// Its slot keeps no WAL before it is first used: what is written sooner does not come.
	eventually(t, "it streams", func() bool {
		return atPublisher(t, "select count(*) from pg_stat_replication where state = 'streaming'") == "1"
	})
	for range 3 { // segments
		w.publish("select pg_switch_wal()", "create table filler as select 1", "drop table filler")
	}
	last := atPublisher(t, "select pg_walfile_name(pg_switch_wal())")
	eventually(t, "the segment has come", func() bool { _, err := os.Stat(filepath.Join(dir, last)); return err == nil })
	stop()
	outputOf(t, w.replicationTool("pg_receivewal", "-S", "received", "--drop-slot"))
}

// subscriber is another real server, which takes from the publisher by way of Portero.
func subscriber(t *testing.T) *lab.Postgres {
	t.Helper()
	return must(lab.StartPostgres(context.Background(), lab.PostgresOptions{
		Settings: map[string]string{"max_logical_replication_workers": "6", "max_worker_processes": "8", "wal_retrieve_retry_interval": "100ms"},
	}))(t)
}

func TestASubscription(t *testing.T) {
	w := startPublishing(t, scrammed(t), size(1))
	w.publish("create table one (i int primary key)", "create table two (i int primary key, t text)",
		"insert into one select generate_series(1, 10000)", "insert into two select i, repeat('x', 100) from generate_series(1, 10000) i",
		"grant select on one, two to streamer", "create publication pair for table one, two")
	defer w.publish("drop table one, two", "drop publication pair")
	s := subscriber(t)
	defer s.Close()
	host, port, _ := strings.Cut(w.address(), ":")
	from := fmt.Sprintf("host=%s port=%s user=streamer password=secret dbname=app sslmode=require", host, port)
	ctx := bounded(t)
	at := func(sql ...string) {
		t.Helper()
		if err := lab.RunSQL(ctx, s.SuperuserDSN("postgres"), sql...); err != nil {
			t.Fatal(err)
		}
	}
	at("create table one (i int primary key)", "create table two (i int primary key, t text)",
		"create subscription pair connection '"+from+"' publication pair")
	has := func(query, want string) {
		t.Helper()
		eventually(t, query+" is "+want, func() bool {
			return lab.RunSQL(ctx, s.SuperuserDSN("postgres"), "do $$ begin if ("+query+")::text <> '"+want+"' then raise 'not yet'; end if; end $$") == nil
		})
	}
	has("select count(*) from one", "10000")
	has("select count(*) from two", "10000")
	has("select count(*) from pg_subscription_rel where srsubstate = 'r'", "2")
	w.publish("insert into one select generate_series(10001, 20000)", "update two set t = 'y'", "delete from two where i <= 5000")
	has("select count(*) from one", "20000")
	has("select count(*) from two where t = 'y'", "5000")
	at("drop subscription pair") // and with it the slot
	if n := atPublisher(t, "select count(*) from pg_replication_slots"); n != "0" {
		t.Errorf("%s slots are left", n)
	}
}
