package corpus

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/internal/lab"
)

// database is where all scripts run.
const database = "corpus"

// mode is the way to the server.
type mode string

const (
	direct      mode = "direct"
	session     mode = "session"
	transaction mode = "transaction"
)

var proxied = []mode{session, transaction}

// fixedRoles are there for all scripts; what they make besides is dropped behind them.
var fixedRoles = []string{"app", "low", "high", "reader"}

// scene is a server and a Portero before it, for scripts one behind the other.
type scene struct {
	t         testing.TB
	portero   *lab.Portero
	addresses map[mode]string
	admin     *pgconn.PgConn // the superuser, at the server itself
	stalls    int            // runs that a statement without an answer has ended
}

var build = sync.OnceValues(buildPortero)

func buildPortero() (string, error) {
	binary := filepath.Join(binaries, "portero")
	args := append([]string{"build", "-o", binary}, buildFlags...)
	out, err := exec.Command("go", append(args, "portero/cmd/portero")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// startScene starts them, with pools of poolSize servers; they end with the test.
func startScene(t testing.TB, poolSize int) *scene {
	t.Helper()
	p := lab.PostgresForTest(t, lab.PostgresOptions{
		Settings: map[string]string{"autovacuum": "off", "max_prepared_transactions": "5", "wal_level": "logical"},
		SQL: []string{
			"create role app login", "create role low", "create role high", "create role reader", "grant low, high to app",
			"create database " + database + " owner app",
		},
	})
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	other := lab.AddressForTest(t)
	portero := lab.ServingForTest(t, lab.PorteroOptions{Program: binary, Config: fmt.Sprintf(config, poolSize, p.Address(), other, other)})
	s := &scene{t: t, portero: portero, addresses: map[mode]string{direct: p.Address(), session: other, transaction: portero.Address}}
	s.admin, err = pgconn.Connect(t.Context(), p.SuperuserDSN(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.admin.Close(context.Background()) })
	return s
}

// config is one server behind two listeners, one for each mode.
const config = `
[log]
connections = false

[auth]
method = "trust"

[pool]
pool_size = %d

[[cluster]]
name = "main"
hosts = [%q]

[cluster.tls]
mode = "disable"

[[listener]]
address = %q

[[route]]
listener = %q
cluster = "main"
pool_mode = "session"

[[route]]
cluster = "main"
pool_mode = "transaction"
`

// clear makes the database what it was before the first script.
func (s *scene) clear() {
	s.t.Helper()
	for _, gid := range s.ask("select gid from pg_prepared_xacts") {
		s.ask("rollback prepared '" + gid + "'")
	}
	s.ask(fmt.Sprintf(clearing, strings.Join(fixedRoles, "', '")))
}

const clearing = `
set client_min_messages = warning; set lock_timeout = '20s';
do $$
declare s text;
begin
	for s in
		select format('drop event trigger %%I', evtname) from pg_event_trigger
		union all select format('drop publication %%I', pubname) from pg_publication
		union all select format('drop schema %%I cascade', nspname) from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
		union all select format('drop extension %%I cascade', extname) from pg_extension where extname <> 'plpgsql'
		union all select format('drop foreign data wrapper %%I cascade', fdwname) from pg_foreign_data_wrapper
		union all select format('drop cast (%%s as %%s)', format_type(castsource, null), format_type(casttarget, null)) from pg_cast where oid >= 16384
		union all select format('select lo_unlink(%%s)', oid) from pg_largeobject_metadata
		union all select format('alter role %%I reset all', rolname) from pg_roles join pg_db_role_setting on setrole = pg_roles.oid
		union all select format('alter role %%I in database %%I reset all', rolname, datname)
			from pg_db_role_setting join pg_roles on setrole = pg_roles.oid join pg_database on setdatabase = pg_database.oid
		union all select format('alter database %%I reset all', datname) from pg_db_role_setting join pg_database on setdatabase = pg_database.oid where setrole = 0
		union all select format('drop owned by %%I cascade; drop role %%I', rolname, rolname) from pg_roles
			where rolname not in ('%s') and rolname !~ '^pg_' and rolname <> 'postgres'
	loop execute s; end loop;
	create schema public authorization pg_database_owner;
	grant usage on schema public to public;
end $$`

// ask runs SQL of the superuser's, and returns the first column.
func (s *scene) ask(sql string) (values []string) {
	s.t.Helper()
	results, err := s.admin.Exec(context.Background(), sql).ReadAll()
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	for _, r := range results {
		for _, row := range r.Rows {
			values = append(values, string(row[0]))
		}
	}
	return values
}

// servers are the processes that work for clients, but for the one that is asked.
func (s *scene) servers() []string {
	s.t.Helper()
	return s.ask("select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()")
}

// renew ends the servers in transaction mode, all but those that were there before: what one
// script has left on a server is then not a difference of the next one.
func (s *scene) renew(before []string) {
	s.t.Helper()
	lab.Eventually(s.t, "end the servers in transaction mode", func() error {
		for _, pid := range s.servers() {
			if !slices.Contains(before, pid) {
				s.ask("select pg_terminate_backend(" + pid + ")")
			}
		}
		series, err := s.portero.Metrics(context.Background())
		if err != nil {
			return err
		}
		for name, n := range series {
			if strings.HasPrefix(name, "portero_pool_servers_") && n != 0 && strings.Contains(name, `mode="transaction"`) {
				return errors.New(name)
			}
		}
		return nil
	})
}

// soil lets clients in session mode work on both servers of a pool and leave: what DISCARD ALL
// does not take away is there for the next ones.
func (s *scene) soil(user string) {
	s.t.Helper()
	for range 2 {
		c, said, err := connect(s.addresses[session], user, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		defer c.close() // behind the other's work: so each has a server of its own
		for _, line := range append(said, c.run(simple, statement{sql: soiling})...) {
			if line[0] == 'E' || c.ended {
				s.t.Fatalf("a client before the script was told %q", line)
			}
		}
	}
}

const soiling = `
create temp table soil (a int); insert into soil values (1); create sequence pg_temp.soil_seq; select nextval('pg_temp.soil_seq');
set soil.kept = 'behind'; set datestyle = 'SQL'; set search_path = soil; set role low; set default_transaction_read_only = on;
prepare soil as select 1; declare soil cursor with hold for select 1; listen corpus; select pg_advisory_lock_shared(1)`
