package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/internal/lab"
)

// publisher is a real server of its own for those who replicate: streamer needs a password there,
// plain may not replicate.
var publisher = lab.Share(func(ctx context.Context) (*lab.Postgres, error) {
	return lab.StartPostgres(ctx, lab.PostgresOptions{
		TLS: true,
		HBA: []string{
			"hostnossl replication,app streamer 127.0.0.1/32 reject",
			"hostssl replication,app streamer 127.0.0.1/32 scram-sha-256",
			"host replication app,plain 127.0.0.1/32 trust",
		},
		Settings: map[string]string{"wal_level": "logical", "max_wal_senders": "6", "max_replication_slots": "12", "wal_sender_timeout": "0"},
		SQL: []string{
			"create role app login replication", "create role plain login", "create role streamer login replication password 'secret'",
			"create database app owner app", "grant pg_monitor to app",
		},
	})
})

// startPublishing opens a Portero before the publisher.
func startPublishing(t *testing.T, edits ...func(*config.Config)) *world {
	t.Helper()
	return startBefore(t, publisher.ForTest(t).Address(), edits...)
}

// replicate logs in as app with that value of parameter replication.
func (w *world) replicate(how string, parameters ...string) *raw {
	w.t.Helper()
	return w.dial(append([]string{"database", "app", "replication", how}, parameters...)...)
}

// atPublisher asks it itself for one value.
func atPublisher(t testing.TB, query string) string {
	t.Helper()
	ctx := bounded(t)
	conn := must(pgx.Connect(ctx, publisher.ForTest(t).SuperuserDSN("app")))(t)
	defer conn.Close(ctx)
	var value string
	if err := conn.QueryRow(ctx, "select ("+query+")::text").Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

// senders is how many walsenders the publisher has.
func senders(t testing.TB) string {
	t.Helper()
	return atPublisher(t, "select count(*) from pg_stat_activity where backend_type = 'walsender'")
}

func TestWhoReplicatesADatabaseSpeaksToAWalsender(t *testing.T) {
	w := startPublishing(t)
	r := w.replicate("database", "application_name", "copier", "options", "-c work_mem=5MB", "extra_float_digits", "2")
	if got := r.query("IDENTIFY_SYSTEM"); !strings.HasPrefix(got, "T D(") || !strings.HasSuffix(got, ",app) C(IDENTIFY_SYSTEM) Z(I)") {
		t.Errorf("IDENTIFY_SYSTEM: %s", got)
	}
	r.ask("T D(5MB,2,copier) C(SELECT_1) Z(I)", q("select current_setting('work_mem'), current_setting('extra_float_digits'), current_setting('application_name')"))
	r.ask("C(BEGIN) Z(T)", q("begin"))
	r.ask("E(ERROR_22012) Z(E)", q("select 1/0"))
	r.ask("C(ROLLBACK) Z(I)", q("rollback"))
	r.ask("T D(app) C(SHOW) Z(I)", q("SHOW session_authorization"))
	r.ask("E(ERROR_08P01)", parse("select 1")) // walsenders have no extended protocol
	r.ask("Z(I)", syncs())
	r.quit()
	eventually(t, "the walsender has ended", func() bool { return senders(t) == "0" })
}

func TestWhoReplicatesAClusterSaysNoSQL(t *testing.T) {
	w := startPublishing(t)
	for _, database := range []string{"app", "replication", "nowhere"} {
		r := w.replicate("true", "database", database)
		if got := r.query("IDENTIFY_SYSTEM"); !strings.HasSuffix(got, ",NULL) C(IDENTIFY_SYSTEM) Z(I)") {
			t.Errorf("IDENTIFY_SYSTEM in %s: %s", database, got)
		}
		r.ask("E(ERROR_0A000) Z(I)", q("select 1"))
		r.quit()
	}
}

// What PostgreSQL has against a walsender it says itself, and at once.
func TestRefusalsOfWalsendersArePostgreSQLs(t *testing.T) {
	w := startPublishing(t)
	refused := func(words string, parameters ...string) {
		t.Helper()
		r := w.plug()
		r.startup(parameters...)
		for {
			switch m := r.receive().(type) {
			case *pgproto3.AuthenticationOk:
			case *pgproto3.ErrorResponse:
				if got := m.Severity + " " + m.Code + " " + m.Message; got != words {
					t.Errorf("told %q, not %q", got, words)
				}
				r.ended()
				return
			default:
				t.Fatalf("%s in place of a refusal", word(m))
			}
		}
	}
	refused("FATAL 42501 must be superuser or replication role to start walsender", "user", "plain", "database", "app", "replication", "database")
	refused("FATAL 42501 must be superuser or replication role to start walsender", "user", "plain", "replication", "true")
	refused("FATAL 22023 invalid value for parameter \"work_mem\": \"much\"", "user", "app", "database", "app", "replication", "database", "work_mem", "much")
	refused("FATAL 3D000 database \"nowhere\" does not exist", "user", "app", "database", "nowhere", "replication", "database")
	refused("FATAL 22023 invalid value for parameter \"replication\": \"DATABASE\"", "user", "app", "replication", "DATABASE")
	eventually(t, "no pool is left of them", func() bool { return len(w.pools.States()) == 0 && w.pools.Candidates().Pools == 0 })
	var all []*raw
	for range 6 {
		all = append(all, w.replicate("database"))
	}
	refused("FATAL 53300 number of requested standby connections exceeds max_wal_senders (currently 6)", "user", "app", "replication", "true")
	for _, r := range all {
		r.quit()
	}
	eventually(t, "the walsenders have ended", func() bool { return senders(t) == "0" })
	w.replicate("true").quit()
}

// Nobody gets a walsender that another has had, and nobody without one is kept from a server.
func TestWalsendersAreNobodyElses(t *testing.T) {
	w := startPublishing(t, size(1))
	first := w.replicate("database")
	second := w.replicate("database")
	other := w.dial("database", "app")
	one, two := first.value("select pg_backend_pid()"), second.value("select pg_backend_pid()")
	if three := other.value("select pg_backend_pid()"); one == two || one == three || two == three {
		t.Errorf("servers %s, %s and %s", one, two, three)
	}
	first.quit()
	third := w.replicate("database")
	if got := third.value("select pg_backend_pid()"); got == one || got == two {
		t.Errorf("server %s, where %s was another's", got, one)
	}
	second.quit()
	third.quit()
	eventually(t, "the walsenders have ended", func() bool { return senders(t) == "0" })
}
