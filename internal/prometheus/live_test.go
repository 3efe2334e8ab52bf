package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"portero/internal/lab"
)

// scene is a Portero that has a client, and a Prometheus that scrapes it.
type scene struct {
	portero *lab.Portero
	client  *lab.Client
	address string // of Prometheus
}

func newScene(t *testing.T) *scene {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a PostgreSQL")
	}
	server := lab.PostgresForTest(t, lab.PostgresOptions{Auth: "scram-sha-256", SQL: []string{"create role app login password 'app'", "create database app owner app"}})
	s := &scene{portero: startPortero(t, server)}
	var err error
	if s.client, err = lab.Dial(t.Context(), s.portero.DSN("app", "app", "app")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.HangUp)
	s.client.Expect(t, "select 41 + 1", "42")
	s.address = startPrometheus(t, s.portero.Admin)
	return s
}

func startPortero(t *testing.T, server *lab.Postgres) *lab.Portero {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "portero")
	if out, err := exec.Command("go", "build", "-o", binary, "portero/cmd/portero").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return lab.ServingForTest(t, lab.PorteroOptions{
		Program: binary, Operators: "pgbouncer_metrics = true",
		Config: fmt.Sprintf("[[cluster]]\nname = \"main\"\nhosts = [%q]\n[[route]]\nname = \"shop\"\ndatabase = \"app\"\n[[route]]\n[auth]\nusers = \"userlist.txt\"\n", server.Address()),
	})
}

// startPrometheus has the rules and alerts of docs, and native histograms.
func startPrometheus(t *testing.T, target string) (address string) {
	t.Helper()
	addresses, err := lab.ReserveAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	absolute, err := filepath.Abs(docs + "prometheus")
	if err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer("15s", "250ms", "['10.0.0.11:9632', '10.0.0.12:9632']", fmt.Sprintf("[%q]", target),
		"- rules.yml", "- "+absolute+"/rules.yml", "- alerts.yml", "- "+absolute+"/alerts.yml").Replace(read(t, docs+"prometheus/prometheus.yml"))
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("prometheus", "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addresses[0], "--enable-feature=native-histograms", "--log.level=warn")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(read(t, log.Name()))
		}
	})
	return addresses[0]
}

// ask asks Prometheus over its API.
func (s *scene) ask(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	if err != nil {
		return err
	}
	var answer struct{ Data json.RawMessage }
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	return json.Unmarshal(answer.Data, into)
}

// sample is a series with its value now; of a native histogram the value is none.
type sample struct {
	Metric map[string]string
	Value  [2]any
}

func (s *scene) query(ctx context.Context, expression string) ([]sample, error) {
	var data struct{ Result []sample }
	err := s.ask(ctx, "/api/v1/query?query="+url.QueryEscape(expression), &data)
	return data.Result, err
}

// none are expressions that have no value where all is well, and where native histograms are
// kept in place of classic ones.
var none = regexp.MustCompile(`> 0|== [01]|_lag_|_pinned|^sum by \(le\) \(rate\(portero_route_transaction_seconds_bucket`)

// TestARealPrometheusTakesItAll: one that scrapes native histograms evaluates each rule, alert
// and expression of the dashboard, and a recording rule has the latency of a route.
func TestARealPrometheusTakesItAll(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	const rule = `cluster_route:portero_transaction_seconds:p99_5m{cluster="main", route="shop"}`
	lab.Eventually(t, "Prometheus has the latency of the route", func() error {
		s.client.Expect(t, "select pg_sleep(0.002) is null", "f") // so that there is something to time between two scrapes
		found, err := s.query(t.Context(), rule)
		if err != nil || len(found) == 0 {
			return errors.Join(err, errors.New("not yet"))
		}
		text, _ := found[0].Value[1].(string)
		if seconds, err := strconv.ParseFloat(text, 64); err != nil || !(seconds > 0.002 && seconds < 60) {
			return fmt.Errorf("it is %s s, %v", text, err)
		}
		return nil
	})
	native, err := s.query(t.Context(), `histogram_count(portero_route_wait_seconds{route="shop"}) > 0`)
	if err != nil || len(native) != 1 {
		t.Errorf("%d native histograms, %v", len(native), err)
	}
	for _, expression := range loadDashboard(t).expressions() {
		found, err := s.query(t.Context(), expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
		} else if len(found) == 0 && !none.MatchString(expression) {
			t.Errorf("nothing comes of %s", expression)
		}
	}
	s.checkRules(t)
	s.checkMetrics(t)
}

func (s *scene) checkRules(t *testing.T) {
	t.Helper()
	lab.Eventually(t, "all rules have been evaluated", func() error {
		var data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError, State string }
			}
		}
		if err := s.ask(t.Context(), "/api/v1/rules", &data); err != nil {
			return err
		}
		rules := 0
		for _, group := range data.Groups {
			for _, rule := range group.Rules {
				rules++
				if rule.Health != "ok" || rule.State == "firing" {
					return fmt.Errorf("%s: health %s, %s %s", rule.Name, rule.Health, rule.State, rule.LastError)
				}
			}
		}
		if rules < 30 {
			return fmt.Errorf("%d rules only", rules)
		}
		return nil
	})
}

// checkMetrics has promtool look at what the running Portero exports.
func (s *scene) checkMetrics(t *testing.T) {
	t.Helper()
	_, text, err := s.portero.Get(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "\npgbouncer_up 1\n") || !strings.Contains(text, "\nportero_route_wait_seconds_count") {
		t.Error("not all of it is there")
	}
	promtool(t, text, "check", "metrics")
}
