package lab

import (
	"context"
	"strings"
	"testing"
)

func TestPostgresAnswersAndSurvivesStopAndKill(t *testing.T) {
	ctx := needServers(t)
	p, err := StartPostgres(ctx, PostgresOptions{
		Auth: "scram-sha-256", MaxConnections: 17,
		SQL: []string{"create role app login password 'app'", "create table kept (n int)", "insert into kept values (42)"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	expect(ctx, t, p.DSN("app", "app", "postgres"), "show max_connections", "17")
	if err := answers(ctx, p.DSN("app", "wrong", "postgres")); err == nil {
		t.Error("a wrong password was accepted")
	}

	if err := p.Stop(ctx, Fast); err != nil {
		t.Fatal(err)
	}
	if p.PID() != 0 {
		t.Error("a stopped server has a postmaster")
	}
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if err := answers(ctx, p.SuperuserDSN("postgres")); err == nil {
		t.Error("a killed server answers")
	}
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, p.SuperuserDSN("postgres"), "select n::text from kept", "42")

	if err := p.Close(); err != nil {
		t.Error(err)
	}
	mustBeGone(t, p.site.dir)
}

func TestPostgresSpeaksTLSAndHonoursHBA(t *testing.T) {
	ctx := needServers(t)
	p := PostgresForTest(t, PostgresOptions{
		TLS: true, HBA: []string{"hostnossl all guest all reject"},
		SQL: []string{"create role guest login"},
	})
	dsn := p.DSN("guest", "", "postgres")
	if err := answers(ctx, dsn); err == nil {
		t.Error("a connection without TLS was accepted")
	}
	dsn = strings.ReplaceAll(dsn, "sslmode=disable", "sslmode=verify-full&sslrootcert="+p.Certificate.CA)
	expect(ctx, t, dsn, "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()", "true")
}

func expect(ctx context.Context, t *testing.T, dsn, query, want string) {
	t.Helper()
	got, err := queryOne[string](ctx, dsn, query)
	if err != nil || got != want {
		t.Errorf("%s: got %q, %v, want %q", query, got, err, want)
	}
}
