package console

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// renamed are columns that have another name since the version of Debian.
var renamed = map[string]string{"reserve_pool": "reserve_pool_size"}

// columns are those of a table; nil if there is no such table.
func columns(t *testing.T, at atConsole, table string) []pgconn.FieldDescription {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), at.dsn())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	reader := conn.Exec(t.Context(), "SHOW "+table)
	var fields []pgconn.FieldDescription
	for reader.NextResult() {
		r := reader.ResultReader()
		fields = slices.Clone(r.FieldDescriptions())
		_, _ = r.Close()
	}
	if err := reader.Close(); err != nil && !strings.Contains(err.Error(), "invalid command") {
		t.Fatalf("%s: %v", table, err)
	}
	return fields
}

// Columns have been added since Debian's version; those that it has come in its order, and are
// of its types to the last byte of the description.
func TestTheColumnsAreThoseOfARealPgBouncer(t *testing.T) {
	ours, _ := busy(t)
	theirs := genuine(t)
	compared := 0
	for _, table := range strings.Fields("pools databases clients servers sockets active_sockets stats stats_totals stats_averages totals lists config users mem dns_hosts dns_zones version fds datestyle") {
		want := columns(t, theirs, table)
		if want == nil {
			t.Errorf("%s: PgBouncer has none", table)
			continue
		}
		got := columns(t, ours, table)
		at := 0
		for _, w := range want {
			name := w.Name
			if now, ok := renamed[name]; ok {
				name = now
			}
			i := slices.IndexFunc(got[at:], func(f pgconn.FieldDescription) bool { return f.Name == name })
			if i < 0 {
				t.Errorf("%s: %s is not there, or not in its order", table, name)
				continue
			}
			at += i
			w.Name = name
			if got[at] != w {
				t.Errorf("%s: %+v\nwant %+v", table, got[at], w)
			}
			compared++
		}
	}
	if compared < 150 {
		t.Errorf("only %d columns were compared", compared)
	}
}

// What scripts ask for and do reads the same on both, but for the version and for what
// there is to show.
func TestAnswersAreThoseOfARealPgBouncer(t *testing.T) {
	ours, _ := busy(t)
	theirs := genuine(t)
	for _, text := range []string{
		"show nothing", "", ";", "show pools; show lists", "select 1", "pause nosuch x", "disable", "enable", "pause pgbouncer", "kill pgbouncer", "reconnect pgbouncer",
		"kill_client", "suspend x", "shutdown x", "set datestyle to 'ISO'", "SET timezone = GMT;", "set client_encoding to 'UTF8'", "show timezone", "show client_encoding",
		"show standard_conforming_strings", "show default_transaction_isolation", "reload x", "wait_close pgbouncer", "show",
	} {
		if text == "kill_client" || text == "reload x" && strings.Contains(version(t, theirs), " 1.18") {
			continue // newer than that, or said with other words
		}
		want, _ := theirs.run(t, "psql", "-XAt", "-c", text)
		got, _ := ours.run(t, "psql", "-XAt", "-c", text)
		if got != want {
			t.Errorf("%s: %s\nPgBouncer: %s", text, got, want)
		}
	}
}

func version(t *testing.T, at atConsole) string {
	t.Helper()
	return at.must(t, "psql", "-XAt", "-c", "show version")
}

// What a driver is told at its start is the same, but for the version; PgBouncer's own order is
// not promised by anybody.
func TestTheLoginReportsWhatARealPgBouncerReports(t *testing.T) {
	ours, _ := busy(t)
	theirs := genuine(t)
	report := func(at atConsole) string {
		conn, err := pgconn.Connect(t.Context(), at.dsn())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		var all []string
		for _, name := range strings.Fields("client_encoding server_encoding DateStyle TimeZone standard_conforming_strings is_superuser application_name integer_datetimes") {
			all = append(all, name+"="+conn.ParameterStatus(name))
		}
		if v := conn.ParameterStatus("server_version"); !strings.HasSuffix(v, "/bouncer") {
			t.Errorf("server_version is %s", v)
		}
		return strings.Join(all, " ")
	}
	if got, want := report(ours), report(theirs); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
