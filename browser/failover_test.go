package browser

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portero/internal/lab"
)

const route = `
[log]
connections = false

[[route]]
cluster = "main"
pool_size = 3
`

// buildPortero compiles the program that is tested.
func buildPortero(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "portero")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/portero")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// hears keeps what the page has said of clients that wait, of groups and of failovers.
const hears = `window.heard = [];
new MutationObserver(() => {
	const now = ["#waiting", "#groups", "#failovers", "#ready"].map(id => document.querySelector(id).innerText).join("\n");
	if (window.heard.length < 5000) window.heard.push(now);
}).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
true`

// TestThePageThroughAFailover has the page open through a switchover, while clients write, and
// while another process takes Portero's place.
func TestThePageThroughAFailover(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs etcd, Patroni and PostgreSQL")
	}
	etcd := lab.EtcdForTest(t, 1, lab.EtcdOptions{})
	cluster := lab.ClusterForTest(t, lab.ClusterOptions{Etcd: etcd, TTL: 6 * time.Second, LoopWait: time.Second, RetryTimeout: 2 * time.Second})
	group := cluster.Groups[0]
	portero := lab.ServingForTest(t, lab.PorteroOptions{
		Program: buildPortero(t), Config: lab.PatroniConfig(etcd.Endpoints()) + route, Operators: `takeover = "takeover.sock"`,
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	before, err := group.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.RunSQL(ctx, before.SuperuserDSN("app"), lab.WriterTable...); err != nil {
		t.Fatal(err)
	}
	writers := lab.StartWriters(t.Context(), 6, portero.DSN("app", "app", "app"))
	t.Cleanup(func() {
		soon, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		writers.Stop(soon)
	})
	goOn(t, ctx, writers)
	r := open(t, desktop, "http://"+portero.Admin+"/")
	r.excused = []string{"net::ERR_"}
	r.says("★ " + before.Name)
	r.says("app / app")
	r.says("None so far")
	eval[bool](r, hears)

	if err := group.Switchover(ctx); err != nil {
		t.Fatal(err)
	}
	after, err := group.WaitLeader(ctx, before.Name)
	if err != nil {
		t.Fatal(err)
	}
	goOn(t, ctx, writers)
	r.says(" " + before.Name + " → " + after.Name)
	r.until("the end of the failover", `document.querySelector(".phases")?.textContent.includes("released")`)
	r.says("★ " + after.Name)
	phases := eval[[]string](r, `[...document.querySelector(".phases").children].map(e => e.textContent)`)
	t.Logf("%q: %s", phases, eval[string](r, `document.querySelector("summary p").textContent`))
	for i, name := range []string{"held", "elected", "proved", "released"} {
		if !strings.Contains(strings.Join(phases, "\n"), name) {
			t.Errorf("phase %d, %s, is missing", i, name)
		}
	}
	heard := strings.Join(eval[[]string](r, "window.heard"), "\n")
	for _, words := range []string{"● under way", "‖ held: ", "\nheld: ", "clients have been held for"} {
		if !strings.Contains(heard, words) {
			t.Errorf("while clients were held the page has never said %q", words)
		}
	}

	const since = `document.querySelector("#since").textContent.replace(/^up.*?, /, "")`
	old := eval[string](r, since)
	if err := portero.Succeed(ctx); err != nil {
		t.Fatal(err)
	}
	eval[bool](r, "(window.heard = [], true)")
	r.until("news from the new process", fmt.Sprintf(`document.querySelector("#live").textContent === "● live" && %s !== %q`, since, old))
	r.says(" " + before.Name + " → " + after.Name) // which the one before has seen
	r.says("★ " + after.Name)
	goOn(t, ctx, writers)
	if eval[bool](r, "window.heard === undefined") {
		t.Error("the page was loaded anew")
	}
}

func goOn(t *testing.T, ctx context.Context, writers *lab.Writers) {
	t.Helper()
	if err := writers.GoOn(ctx, 5); err != nil {
		t.Fatal(err)
	}
}
