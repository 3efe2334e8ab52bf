package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"portero/internal/lab"
)

// modules is where the readers that are Go modules of their own are.
const modules = "../../testdata/console/"

func TestPsqlShowsWhatThereIs(t *testing.T) {
	at, _ := busy(t)
	for text, want := range map[string]string{
		"SHOW VERSION": `^PgBouncer 1\.25\.2\n$`,
		"SHOW POOLS":   `(?m)^app\|app\|1\|0\|0\|0\|1\|0\|0\|0\|0\|0\|0\|0\|0\|transaction\|$`,
		"show stats":   `(?m)^app\|\d+\|\d+\|[1-9]\d*\|[1-9]`,
		"SHOW DATABASES;": fmt.Sprintf(`(?m)^app\|127\.0\.0\.1\|%d\|app\|\|20\|0\|0\|3600\|\|\|0\|1\|0\|1\|0\|0$`,
			realServer.ForTest(t).Port()),
		"SELECT users":   `(?m)^app\|`,
		"SHOW GROUPS":    `(?m)^local\|0\|127\.0\.0\.1:\d+\|1\|`,
		"SHOW MEMBERS":   `(?m)^local\|0\|127\.0\.0\.1:\d+\|yes\|`,
		"SHOW ALL_POOLS": `(?m)^local\|0\|leader\|transaction\|app\|app\|app\|`,
		"SHOW PORTERO":   `(?m)^ready\|yes$`,
	} {
		out := at.must(t, "psql", "-XAt", "-c", text)
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s does not have %s:\n%s", text, want, out)
		}
	}
}

// series are those of the exporter for which its reading of the console is the source.
const series = `up version_info databases users pools free_clients used_clients login_clients free_servers used_servers cached_dns_names cached_dns_zones in_flight_dns_queries
config_max_client_connections config_max_user_connections
databases_pool_size databases_reserve_pool databases_max_connections databases_current_connections databases_paused databases_disabled
stats_totals_queries_pooled_total stats_totals_queries_duration_seconds_total stats_totals_received_bytes_total stats_totals_sent_bytes_total stats_totals_client_wait_seconds_total
stats_totals_sql_transactions_pooled_total stats_totals_server_in_transaction_seconds_total stats_totals_client_parses_total stats_totals_server_parses_total stats_totals_binds_total stats_totals_server_assignments_total
pools_client_active_connections pools_client_active_cancel_connections pools_client_waiting_connections pools_client_waiting_cancel_connections
pools_server_active_connections pools_server_active_cancel_connections pools_server_being_canceled_connections pools_server_idle_connections pools_server_used_connections
pools_server_testing_connections pools_server_login_connections pools_client_maxwait_seconds client_connections`

func TestTheExporterOfPrometheusFindsEverySeries(t *testing.T) {
	at, _ := busy(t)
	page := exported(t, at)
	if !strings.Contains(page, "\npgbouncer_up 1\n") {
		t.Error("the exporter does not call it up")
	}
	for _, name := range strings.Fields(series) {
		if !strings.Contains(page, "\npgbouncer_"+name+" ") && !strings.Contains(page, "\npgbouncer_"+name+"{") {
			t.Errorf("pgbouncer_%s is not there", name)
		}
	}
	if !strings.Contains(page, `pgbouncer_version_info{version="PgBouncer 1.25.2"} 1`) {
		t.Error("the version is not there")
	}
	if !strings.Contains(page, `pgbouncer_pools_server_active_connections{database="app",user="app"} 1`) {
		t.Error("the server that is lent is not there")
	}
	if t.Failed() {
		t.Log(page)
	}
}

// exported is what the exporter has read from a console, for Prometheus.
func exported(t *testing.T, at atConsole) (page string) {
	t.Helper()
	binary, err := build("pgbouncer_exporter", modules+"exporter", "github.com/prometheus-community/pgbouncer_exporter")
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := lab.ReserveAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	runBeside(t, exec.Command(binary, "--pgBouncer.connectionString="+at.url(), "--web.listen-address="+addresses[0]))
	lab.Eventually(t, "the exporter answers", func() error {
		page, err = get(t.Context(), "http://"+addresses[0]+"/metrics")
		return err
	})
	return page
}

func get(ctx context.Context, address string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestTelegrafGathersFromEveryTableThatItKnows(t *testing.T) {
	at, _ := busy(t)
	binary, err := build("telegraf", modules+"telegraf", ".")
	if err != nil {
		t.Fatal(err)
	}
	out := at.must(t, binary, at.url())
	for _, want := range []string{
		`(?m)^pgbouncer db=app user=.* total_bind_count=0 .*total_sent=[1-9]`, `(?m)^pgbouncer_pools db=app user=app .*sv_active=1 `,
		`(?m)^pgbouncer_lists db=pgbouncer user=.* used_servers=1`, `(?m)^pgbouncer_databases db=app user=.* current_connections=1 .*pool_size=20 `,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("it has nothing like %s", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

func TestCheckPostgresIsContent(t *testing.T) {
	at, _ := busy(t)
	for _, action := range strings.Fields("pgb_pool_cl_active pgb_pool_cl_waiting pgb_pool_sv_active pgb_pool_sv_idle pgb_pool_sv_used pgb_pool_sv_tested pgb_pool_sv_login pgb_pool_maxwait pgbouncer_backends") {
		out, err := at.run(t, "check_postgres", "--action="+action, "--warning=100", "--critical=200", "--host="+at.host, "--port="+at.port, "--dbuser=app")
		if err != nil || !strings.Contains(out, " OK: ") || !strings.Contains(out, "app") {
			t.Errorf("%s: %v\n%s", action, err, out)
		}
	}
	if out, err := at.run(t, "check_postgres", "--action=pgb_pool_sv_active", "--warning=1", "--critical=1", "--host="+at.host, "--port="+at.port, "--dbuser=app"); err == nil || !strings.Contains(out, "CRITICAL") {
		t.Errorf("a server that is lent is not seen: %v\n%s", err, out)
	}
}

func TestTheGraphsOfMuninHaveTheirFigures(t *testing.T) {
	at, _ := busy(t)
	const plugins = "/usr/share/munin/plugins/"
	for plugin, want := range map[string]string{
		"pgbouncer_connections": `(?m)^cl_active\.value 1$`, // of which it has taken away its own
		"pgbouncer_requests":    `(?m)^app\.value \d+$`,
	} {
		if out := at.must(t, plugins+plugin); !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s:\n%s", plugin, out)
		}
		if out := at.must(t, plugins+plugin, "config"); !strings.Contains(out, "graph_title PgBouncer") {
			t.Errorf("%s config:\n%s", plugin, out)
		}
	}
}

func TestAShutdownFromTheConsoleEndsTheProcess(t *testing.T) {
	for _, text := range []string{"SHUTDOWN", "SHUTDOWN WAIT_FOR_SERVERS", "SHUTDOWN WAIT_FOR_CLIENTS"} {
		t.Run(text, func(t *testing.T) {
			at, p := busy(t)
			out, err := at.run(t, "psql", "-XAt", "-c", text)
			if answered := err == nil && out == "SHUTDOWN\n"; answered != (text != "SHUTDOWN") {
				t.Errorf("%v: %s", err, out)
			}
			if strings.HasSuffix(text, "CLIENTS") { // the one that busy has does not leave by itself
				if err := p.Alive(); err != nil {
					t.Fatal(err)
				}
				lab.Eventually(t, "it waits", func() error {
					if !strings.Contains(p.Log(), "waiting for clients to leave") {
						return fmt.Errorf("not yet")
					}
					return nil
				})
				return
			}
			if strings.HasSuffix(text, "SERVERS") {
				return // as after TERM, which has its tests: a transaction is open
			}
			if code, err := p.Wait(t.Context()); err != nil || code != 0 {
				t.Errorf("it ended with %d, %v", code, err)
			}
		})
	}
}
