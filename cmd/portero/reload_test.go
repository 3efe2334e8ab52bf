package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/internal/lab"
)

// reloads is how many reloads have come to a result so far.
func (p process) reloads(t *testing.T, result string) int {
	t.Helper()
	_, text := p.get(t, "/metrics")
	return valueOf(t, text, fmt.Sprintf("portero_config_reloads_total{result=%q}", result))
}

// sum adds up the series of a metric.
func (p process) sum(t *testing.T, name string) (sum int) {
	t.Helper()
	all, err := p.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for series, v := range all {
		if series == name || strings.HasPrefix(series, name+"{") {
			sum += int(v)
		}
	}
	return sum
}

// reload writes a configuration, asks for a reload by HUP and waits for its result.
func (p process) reload(t *testing.T, config, result string) {
	t.Helper()
	p.reloadBy(t, func() error { return p.Configure(config) }, result)
}

// reloadBy is reload for what change does to the file.
func (p process) reloadBy(t *testing.T, change func() error, result string) {
	t.Helper()
	before := p.reloads(t, result)
	if err := change(); err != nil {
		t.Fatal(err)
	}
	p.Signal(syscall.SIGHUP)
	eventually(t, func() error {
		if n := p.reloads(t, result); n == before {
			return fmt.Errorf("no reload is %s\n%s", result, p.Log())
		}
		return nil
	})
}

// strain is clients that run one transaction after the other, and what goes wrong with them.
type strain struct {
	ctx    context.Context
	stop   context.CancelFunc
	done   sync.WaitGroup
	rounds atomic.Int64
	mu     sync.Mutex
	errors []error
}

func startStrain(t *testing.T, address string, clients int) *strain {
	l := &strain{}
	l.ctx, l.stop = context.WithCancel(t.Context())
	for range clients {
		c := connect(t, address)
		l.done.Add(1)
		go l.work(c)
	}
	t.Cleanup(l.stop)
	return l
}

func (l *strain) work(c *pgconn.PgConn) {
	defer l.done.Done()
	for l.ctx.Err() == nil {
		for _, sql := range []string{"begin", "select pg_sleep(0.002)", "insert into noted values ('x')", "commit", "select 1"} {
			if _, err := ask(context.Background(), c, sql); err != nil {
				l.mu.Lock()
				l.errors = append(l.errors, fmt.Errorf("%s: %w", sql, err))
				l.mu.Unlock()
				return
			}
		}
		l.rounds.Add(1)
	}
}

// more waits until as many rounds have been done again.
func (l *strain) more(t *testing.T, n int64) {
	t.Helper()
	end := l.rounds.Load() + n
	eventually(t, func() error {
		if l.rounds.Load() < end {
			return fmt.Errorf("%d rounds of %d; %v", l.rounds.Load(), end, l.faults())
		}
		return nil
	})
}

func (l *strain) faults() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errors
}

func (l *strain) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.done.Wait()
	if all := l.faults(); len(all) > 0 {
		t.Errorf("%d errors, the first: %v", len(all), all[0])
	}
}

func sized(postgres string, size int) string {
	return configText(postgres, fmt.Sprintf("pool_size = %d", size))
}

func TestReloadsUnderLoadCostNoError(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create table noted (what text)"}})
	p := serving(t, postgres, "pool_size = 3")
	l := startStrain(t, p.Address, 8)
	l.more(t, 10)
	more := freeAddresses(t, 1)[0]
	listener := fmt.Sprintf("[[listener]]\naddress = %q\n", more)
	for i := range 10 {
		p.reload(t, sized(postgres.Address(), 1+i%5)+listener, "applied")
		l.more(t, 10)
		mustAsk(t, connect(t, more), "select 1", "1")
		p.reload(t, sized(postgres.Address(), 1+i%5), "applied")
		if _, err := tryConnect(t, more, "postgres"); err == nil {
			t.Fatal("a listener that is gone lets clients in")
		}
		l.more(t, 10)
	}
	l.end(t)
	if n := p.reloads(t, "failed"); n != 0 {
		t.Errorf("%d reloads failed", n)
	}
}

func TestAPoolGrowsAndShrinksByAReload(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create table noted (what text)"}})
	p := serving(t, postgres, "pool_size = 2")
	l := startStrain(t, p.Address, 8)
	for _, size := range []int{6, 1, 4} {
		p.reload(t, sized(postgres.Address(), size), "applied")
		eventually(t, func() error {
			if open := p.sum(t, "portero_pool_servers_active") + p.sum(t, "portero_pool_servers_idle"); open != size {
				return fmt.Errorf("%d servers are open, not %d", open, size)
			}
			return nil
		})
		l.more(t, 10)
	}
	l.end(t)
}

func TestAWrongFileChangesNothingAndIsTold(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create table noted (what text)"}})
	p := serving(t, postgres, "")
	l := startStrain(t, p.Address, 2)
	for _, wrong := range []string{
		"no TOML",
		configText(postgres.Address(), "pool_size = 0"),
		configText(postgres.Address(), "") + "[[listener]]\naddress = \"192.0.2.1:5\"\n", // which nobody has
	} {
		p.reload(t, wrong, "failed")
		l.more(t, 5)
	}
	p.reloadBy(t, func() error { return p.WriteFile("proxy.toml", "") }, "failed") // on its way to be written
	if log := p.Log(); !strings.Contains(log, "pool.pool_size: must be at least 1") {
		t.Errorf("the log does not say what is wrong:\n%s", log)
	}
	_, text := p.get(t, "/metrics")
	if valueOf(t, text, "portero_config_last_reload_successful") != 0 {
		t.Error("the metric says that all is well")
	}
	p.reload(t, configText(postgres.Address(), ""), "applied")
	_, text = p.get(t, "/metrics")
	if valueOf(t, text, "portero_config_last_reload_successful") != 1 {
		t.Error("the metric goes on saying that it failed")
	}
	l.end(t)
}

// As Kubernetes does with a ConfigMap or a Secret: the folder of the files is a symbolic
// link, and the link is swapped. The program is not told.
func TestFilesThatAreSwappedByALinkAreReadAgain(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	config := `
[[cluster]]
name = "local"
hosts = ["` + postgres.Address() + `"]
[auth]
method = "password"
users = "%s"
`
	p := startProcess(t, lab.PorteroOptions{Config: fmt.Sprintf(config, "userlist.txt")})
	swap := func(name, password string) {
		t.Helper()
		folder := p.Path(name)
		if err := errors.Join(
			os.Mkdir(folder, 0o755),
			os.WriteFile(filepath.Join(folder, "users"), []byte(fmt.Sprintf("\"postgres\" %q\n", password)), 0o600),
			os.Symlink(folder, p.Path("next")),
			os.Rename(p.Path("next"), p.Path("secrets")),
		); err != nil {
			t.Fatal(err)
		}
	}
	login := func(password string) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, err := pgconn.Connect(ctx, p.DSN("postgres", password, "postgres"))
		if err == nil {
			hangUp(c)
		}
		return err
	}
	swap("first", "one")
	if err := p.Configure(fmt.Sprintf(config, "secrets/users")); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return login("one") })
	swap("second", "two")
	eventually(t, func() error { return login("two") })
	if login("one") == nil {
		t.Error("the old password is good still")
	}
}

func TestClientsMoveToOtherHostsBetweenTransactions(t *testing.T) {
	a := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create table noted (what text)", "create table here (name text)", "insert into here values ('a')"}})
	b := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create table noted (what text)", "create table here (name text)", "insert into here values ('b')"}})
	p := serving(t, a, "")
	idle, busy := connect(t, p.Address), connect(t, p.Address)
	mustAsk(t, idle, "select name from here", "a")
	mustAsk(t, busy, "begin; select name from here", "a")
	l := startStrain(t, p.Address, 4)
	l.more(t, 5)
	p.reload(t, configText(b.Address(), ""), "applied")
	mustAsk(t, idle, "select name from here", "b")
	mustAsk(t, busy, "select name from here", "a")
	mustAsk(t, busy, "commit", "")
	mustAsk(t, busy, "select name from here", "b")
	l.more(t, 10)
	l.end(t)
	rows := 0
	for _, one := range []*lab.Postgres{a, b} {
		direct := connect(t, one.Address())
		text, err := ask(t.Context(), direct, "select count(*) from noted")
		hangUp(direct)
		n, _ := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		rows += n
	}
	if int64(rows) != l.rounds.Load() {
		t.Errorf("%d rows of %d commits", rows, l.rounds.Load())
	}
	direct := connect(t, a.Address())
	eventually(t, func() error { // and nothing of ours is left at the other
		n, err := ask(t.Context(), direct, "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()")
		if err == nil && n != "0" {
			err = fmt.Errorf("%s servers are open there", n)
		}
		return err
	})
}

func TestClientsOfARouteThatIsGoneAreTold(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create table noted (what text)"}})
	p := serving(t, postgres, "")
	idle, busy := connect(t, p.Address), connect(t, p.Address)
	mustAsk(t, busy, "begin; select 1", "1")
	p.reload(t, configText(postgres.Address(), "")+"[[route]]\ndatabase = \"other\"\n", "applied")
	expectEnded(t, idle, "57P01")
	mustAsk(t, busy, "select 2", "2")
	mustAsk(t, busy, "commit", "")
	if _, err := ask(t.Context(), busy, "select 3"); err == nil {
		t.Error("a client goes on where no route leads")
	}
}

// Clients that wait for a server are not forgotten in the queue of a cluster that is
// nowhere, nor is one at its login.
func TestClientsThatWaitInVainMoveByAReload(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	nobody := freeAddresses(t, 1)[0]
	p := serving(t, postgres, "")
	p.reload(t, configText(nobody, ""), "applied")
	login := connectInBackground(t, p.Address)
	eventually(t, func() error {
		if p.sum(t, "portero_candidate_clients_waiting") == 0 {
			return errors.New("nobody waits")
		}
		return nil
	})
	p.reload(t, configText(postgres.Address(), ""), "applied")
	if err := <-login; err != nil {
		t.Error(err)
	}
}

func TestDiffSaysWhatAReloadWouldDo(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	p := serving(t, postgres, "")
	path := p.Path("proxy.toml")
	if out, trouble, status := portero("diff", "--config", path); out != "" || status != 0 {
		t.Fatalf("status %d, %q, %s", status, out, trouble)
	}
	for _, c := range []struct {
		config, out, trouble string
		status               int
	}{
		{"loops = 5\n" + configText(postgres.Address(), "query_wait_timeout = \"7s\""),
			"~ loops: \"auto\" -> 5 (from the next restart on)\n~ pool.query_wait_timeout: \"2m0s\" -> \"7s\"\n", "", 1},
		{configText(postgres.Address(), "pool_size = 0"), "", "pool.pool_size: must be at least 1", 2},
	} {
		eventually(t, func() error { // until it is asked before the change is noticed
			if err := p.Configure(configText(postgres.Address(), "")); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() error {
				if out, trouble, status := portero("diff", "--config", path); status != 0 {
					return fmt.Errorf("%s%s", out, trouble)
				}
				return nil
			})
			if err := p.Configure(c.config); err != nil {
				t.Fatal(err)
			}
			out, trouble, status := portero("diff", "--config", path, "--admin", p.Admin)
			if out != c.out || !strings.Contains(trouble, c.trouble) || status != c.status {
				return fmt.Errorf("status %d, %q, %q", status, out, trouble)
			}
			return nil
		})
	}
	if _, trouble, status := portero("diff", "--admin", freeAddresses(t, 1)[0]); status != 2 || !strings.Contains(trouble, "no Portero answers") {
		t.Errorf("where none runs: status %d, %q", status, trouble)
	}
}
