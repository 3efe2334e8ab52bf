package proxy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/internal/lab"
)

// identity logs in with one parameter of the startup packet, or more in pairs,
// and returns who the session says it is, or how it was refused.
func identity(t *testing.T, dsn string, parameters ...string) string {
	t.Helper()
	c := must(pgconn.ParseConfig(dsn))(t)
	for i := 0; i < len(parameters); i += 2 {
		c.RuntimeParams[parameters[i]] = parameters[i+1]
	}
	ctx := bounded(t)
	conn, err := pgconn.ConnectConfig(ctx, c)
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Severity + " " + said.Code + " " + said.Message
	}
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(ctx, "select session_user, current_user, current_setting('role'), current_setting('work_mem')").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, column := range results[0].Rows[0] {
		words = append(words, string(column))
	}
	return strings.Join(append(words, conn.ParameterStatus("session_authorization"), conn.ParameterStatus("is_superuser")), " ")
}

// TestIdentityAtTheStartIsWhatPostgreSQLMakesOfIt: PostgreSQL obeys role at
// the start of a session, and checks session_authorization without obeying it.
func TestIdentityAtTheStartIsWhatPostgreSQLMakesOfIt(t *testing.T) {
	asSuperuser := func(sql ...string) {
		t.Helper()
		if err := lab.RunSQL(bounded(t), postgres(t).SuperuserDSN("app"), sql...); err != nil {
			t.Fatal(err)
		}
	}
	asSuperuser("create role crew", "create role stranger", "grant crew to app")
	defer asSuperuser("drop role crew, stranger")
	w := start(t, size(1))
	for _, user := range []string{"app", "postgres"} {
		direct, through := postgres(t).DSN(user, "", "app"), w.dsn(user, "")
		plain := identity(t, direct)
		for _, parameters := range [][]string{
			{"options", "-c session_authorization=stranger"}, {"options", "-c session_authorization=" + user},
			{"options", "-c session_authorization=nobody"}, {"options", "-c session_authorization="},
			{"options", "--Session-Authorization=stranger"}, {"session_authorization", "stranger"},
			{"session_authorization", user}, {"Session_Authorization", "nobody"},
			{"options", "-c role=crew"}, {"options", "-c role=stranger"}, {"options", "-c role=nobody"},
			{"options", "-c role=none"}, {"options", "-c role="}, {"role", "crew"}, {"role", "stranger"}, {"role", user},
			{"role", "crew", "session_authorization", user}, {"role", "crew", "session_authorization", "stranger"},
			{"role", "crew", "work_mem", "5MB", "options", "-c session_authorization=stranger"},
			{"session_authorization", "stranger", "work_mem", "5MB", "zero_damaged_pages", "on"},
			{"role", "crew", "zero_damaged_pages", "on"},
		} {
			if user == "app" && len(parameters) == 6 && parameters[4] == "zero_damaged_pages" {
				continue // two refusals: which one comes first is as the packet has it
			}
			want := identity(t, direct, parameters...)
			for range 2 { // the second may take the short way
				if got := identity(t, through, parameters...); got != want {
					t.Errorf("%s, %q:\ngot  %s\nwant %s", user, parameters, got, want)
				}
			}
			if got := identity(t, through); got != plain {
				t.Errorf("%s after %q: %s, want %s", user, parameters, got, plain)
			}
		}
	}
}
