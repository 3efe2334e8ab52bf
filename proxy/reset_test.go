package proxy_test

import (
	"strings"
	"testing"
)

// What a client gave at its start is what it goes back to: these are the ways
// back, and what is shown behind them is compared with a connection of its own.
var waysBack = []struct {
	name  string
	steps []messages
}{
	{"RESET of a reported setting", []messages{{q("set timezone = 'UTC'")}, {q("reset timezone")}}},
	{"RESET of one that is not", []messages{{q("set work_mem = '9MB'")}, {q("reset work_mem")}}},
	{"RESET TIME ZONE", []messages{{q("set timezone = 'UTC'")}, {q("reset time zone")}}},
	{"RESET ALL", []messages{{q("set timezone = 'UTC'; set work_mem = '9MB'; set app.tenant = 'x'")}, {q("reset all")}}},
	{"DISCARD ALL", []messages{{q("set timezone = 'UTC'; set work_mem = '9MB'")}, {q("discard all")}}},
	{"SET TO DEFAULT", []messages{{q("set work_mem = '9MB'")}, {q("set work_mem to default")}, {q("set session timezone = default")}}},
	{"SET TIME ZONE", []messages{{q("set time zone 'UTC'")}, {q("set time zone default")}, {q("set time zone 'UTC'")}, {q("set time zone local")}}},
	{"a role", []messages{{q("set role none")}, {q("reset role")}, {q("set role none")}, {q("reset all")}}},
	{"a setting that the client did not give", []messages{{q("set enable_sort = off")}, {q("reset enable_sort")}}},
	{"in a block that is committed", []messages{{q("set work_mem = '9MB'")}, {q("begin")}, {q("reset work_mem")}, {q("show work_mem")}, {q("commit")}}},
	{"in a block that is rolled back", []messages{{q("set work_mem = '9MB'")}, {q("begin")}, {q("reset all")}, {q("show work_mem")}, {q("rollback")}}},
	{"in a block that fails", []messages{{q("set work_mem = '9MB'")}, {q("begin")}, {q("select 1/0")}, {q("reset all")}, {q("rollback")}}},
	{"in a Query of several", []messages{{q("set work_mem = '9MB'")}, {q("select 1; reset work_mem; select 2")}}},
	{"in a Query of several that fails before it", []messages{{q("set work_mem = '9MB'; set timezone = 'UTC'")}, {q("select 1/0; reset all")}}},
	{"in a Query of several that sets behind it", []messages{{q("reset all; set timezone = 'UTC'; set app.tenant = 'x'; set search_path = public")}}},
	{"in the extended protocol", []messages{
		{q("set work_mem = '9MB'; set timezone = 'UTC'")}, {parse("reset work_mem"), bind(), execute(), parse("show work_mem"), bind(), execute(), syncs()},
		{parse("discard all"), bind(), execute(), syncs()},
	}},
	{"twice in one transaction of the extended protocol", []messages{
		{q("begin")}, {parse("reset all"), bind(), execute(), bind(), execute(), syncs()}, {parseAs("r", "reset timezone"), bindTo("r"), execute(), syncs()}, {q("commit")},
	}},
	{"in a pipeline", []messages{{q("set work_mem = '9MB'"), q("reset work_mem"), q("show work_mem"), q("reset all"), q("show work_mem")}}},
}

func TestResetGoesBackToWhatTheClientGaveAtItsStart(t *testing.T) {
	login := []string{"user", "app", "database", "app", "TimeZone", "Asia/Tokyo", "application_name", "it's \\ me",
		"options", `-c work_mem=7MB -c app.tenant=seven\ of\ nine -c search_path=pg_temp,public -c role=follower`}
	for _, way := range waysBack {
		t.Run(way.name, func(t *testing.T) {
			direct := plugInto(t, dialServer(t))
			direct.login(login...)
			w := start(t, size(2))
			client, other := w.dial(login[2:]...), w.dial()
			shown := q("select current_setting('timezone'), current_setting('work_mem'), current_setting('app.tenant'), current_setting('search_path'), current_setting('application_name'), current_user, current_setting('enable_sort')")
			for i, step := range append(way.steps, messages{shown}, messages{shown}) {
				want := withoutReports(direct.converse(step))
				other.query("begin")
				if got := withoutReports(client.converse(step)); got != want {
					t.Errorf("step %d:\nis answered  %s\non its own   %s", i+1, got, want)
				}
				if got := other.query("show work_mem"); !strings.Contains(got, "4MB") {
					t.Errorf("another client has %s", got)
				}
				other.query("commit")
			}
			for _, name := range []string{"TimeZone", "application_name"} {
				if got, want := client.welcome[name], direct.welcome[name]; got != want {
					t.Errorf("%s was reported to be %s in the end, on its own %s", name, got, want)
				}
			}
		})
	}
}

// withoutReports leaves ParameterStatus out: one may come more, behind a RESET.
func withoutReports(words string) string {
	var rest []string
	for _, w := range strings.Fields(words) {
		if !strings.HasPrefix(w, "S(") {
			rest = append(rest, w)
		}
	}
	return strings.Join(rest, " ")
}
