package config

import (
	"strings"
	"testing"
)

func TestDiffSaysWhatIsDifferentAndNotTheSecrets(t *testing.T) {
	const from = `
[pool]
pool_size = 20
[[listener]]
address = ":6432"
[[listener]]
address = ":6433"
[[cluster]]
name = "main"
discovery = "patroni"
scope = "demo"
etcd = { endpoints = ["a:2379"], username = "portero", password = "one" }
[[route]]
database = "nightly"
pool_size = 3
[[route]]
database = "gone"
[[route]]
[auth]
method = "trust"
`
	inFolder(t)
	for _, test := range []struct {
		name, replace, by string
		want              []string
	}{
		{"nothing", "", "", nil},
		{"comments and order of keys", "pool_size = 3", "pool_size = 3 # three", nil},
		{"a number", "pool_size = 20", "pool_size = 5", []string{
			`~ pool.pool_size: 20 -> 5`}},
		{"a duration that was left out", "pool_size = 20", "pool_size = 20\nserver_lifetime = \"90m\"", []string{`~ pool.server_lifetime: "1h0m0s" -> "1h30m0s"`}},
		{"a route's own", "pool_size = 3", "pool_size = 4", []string{`~ route nightly/*.pool_size: 3 -> 4`}},
		{"a route's name", "pool_size = 3", "name = \"night\"\npool_size = 4", []string{`~ route nightly/*.name: "nightly/*" -> "night"`, `~ route nightly/*.pool_size: 3 -> 4`}},
		{"a route is gone", "[[route]]\ndatabase = \"gone\"\n", "", []string{`- route gone/*`}},
		{"a route is new", "[[route]]\n[auth]", "[[route]]\nuser = \"x\"\n[[route]]\n[auth]", []string{`+ route */x`}},
		{"a listener is new and one is gone", ":6433", ":6434", []string{`- listener :6433`, `+ listener :6434`}},
		{"a list", `["a:2379"]`, `["a:2379", "b:2379"]`, []string{`~ cluster main.etcd.endpoints: ["a:2379"] -> ["a:2379", "b:2379"]`}},
		{"a secret", `"one"`, `"two"`, []string{`~ cluster main.etcd.password: (a secret) -> (a secret)`}},
		{"the zone", "\n[pool]", "zone = \"north\"\n[pool]", []string{`~ zone: "" -> "north"`}},
		{"loops", "\n[pool]", "loops = 3\n[pool]", []string{`~ loops: "auto" -> 3 (from the next restart on)`}},
		{"order", "[[route]]\ndatabase = \"gone\"\n[[route]]\n", "", []string{`- route gone/*`, `- route */*`}},
		{"routes change places", "[[route]]\ndatabase = \"nightly\"\npool_size = 3\n[[route]]\ndatabase = \"gone\"\n",
			"[[route]]\ndatabase = \"gone\"\n[[route]]\ndatabase = \"nightly\"\npool_size = 3\n", []string{`~ route nightly/*: behind others -> before others`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(from, test.replace) {
				t.Fatal("there is nothing to replace")
			}
			var got []string
			for _, d := range Diff(mustLoad(t, from), mustLoad(t, strings.Replace(from, test.replace, test.by, 1))) {
				got = append(got, d.String())
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestWhatIsFixedIsKept(t *testing.T) {
	a, b := Default(), Default()
	b.Loops, b.Admin.Address, b.Log.Format, b.Pool.PoolSize = 7, "", "json", 1
	a.KeepFixed(b)
	for _, d := range Diff(a, b) {
		if d.Restart {
			t.Errorf("%s", d)
		}
	}
	if b.Pool.PoolSize != 1 {
		t.Error("more than that is kept")
	}
}
