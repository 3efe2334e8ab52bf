package config

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func TestEmptyFileGivesDefault(t *testing.T) {
	inFolder(t)
	if got := mustLoad(t, ""); !reflect.DeepEqual(got, Default()) {
		t.Errorf("got  %+v\nwant %+v", got, Default())
	}
}

func TestDefaultServesTheLocalPostgres(t *testing.T) {
	want := &Config{
		Admin:     Admin{Address: "127.0.0.1:9632"},
		Listeners: []Listener{{Address: "127.0.0.1:6432", TLS: ListenerTLS{Mode: "prefer"}}},
		Clusters: []Cluster{{
			Name: "local", Discovery: "static", Namespace: "/service", Refresh: 30 * time.Second,
			Hosts: []string{"127.0.0.1:5432"}, TLS: ServerTLS{Mode: "prefer"},
		}},
		Routes: []Route{{
			Name: "*/*", Readiness: true, Listener: "*", Database: "*", User: "*", Cluster: "local", Role: "leader",
			PoolMode: "transaction", PoolSize: 20, PinPolicy: "pin", ServerIdleTimeout: 10 * time.Minute, ServerLifetime: time.Hour,
		}},
		Pool: Pool{
			PoolMode: "transaction", PoolSize: 20, PinPolicy: "pin", MaxClientConn: 10000, MaxLogins: 1000, MaxPools: 1000,
			MaxPreparedStatements: 200, MaxClientStatements: 4000, MaxClientStatementBytes: 16 << 20, MaxStatementBytes: 256 << 20, MaxClientSettingBytes: 8 << 10,
			ClientLoginTimeout: time.Minute, ClientStallTimeout: 5 * time.Minute,
			QueryWaitTimeout: 2 * time.Minute, QueryWaitNotify: 5 * time.Second, SwitchoverDrain: 5 * time.Second,
			ServerConnectTimeout: 5 * time.Second, ServerIdleTimeout: 10 * time.Minute, ServerLifetime: time.Hour,
			ServerCheckDelay: 30 * time.Second, TCPKeepalive: 15 * time.Second, TCPUserTimeout: 10 * time.Second,
			CancelWaitTimeout: 10 * time.Second, ShutdownTimeout: time.Minute,
			ReservePoolTimeout: 5 * time.Second, InternodeReserve: 2, ServerResetQuery: "DISCARD ALL",
		},
		Auth: Auth{Method: "scram-sha-256", Users: "userlist.txt", Query: defaultQuery, QueryMaxAge: time.Minute},
		Log:  Log{Level: "info", Format: "text", Connections: true, StatsPeriod: time.Minute},
	}
	if got := Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestNoFileTrustsAndIsLoopbackOnly(t *testing.T) {
	got := NoFile()
	want := Default()
	want.Auth.Method, want.Auth.Users = "trust", ""
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestRouteTakesThePoolSectionsValuesWhereverThatStands(t *testing.T) {
	inFolder(t)
	cfg := mustLoad(t, `
[[route]]
database = "a"
pool_size = 3

[[route]]

[pool]
pool_mode = "session"
pool_size = 7
min_pool_size = 2
`)
	type sizes struct {
		mode      string
		size, min int
	}
	want := []sizes{{"session", 3, 2}, {"session", 7, 2}}
	for i, r := range cfg.Routes {
		if got := (sizes{r.PoolMode, r.PoolSize, r.MinPoolSize}); got != want[i] {
			t.Errorf("route[%d]: got %v, want %v", i+1, got, want[i])
		}
	}
}

func TestDefaultRouteLeadsToTheFirstCluster(t *testing.T) {
	inFolder(t)
	cfg := mustLoad(t, `cluster = [{name = "a", hosts = ["h:1"]}, {name = "b", hosts = ["h:2"]}]`)
	if got := cfg.Routes[0].Cluster; got != "a" {
		t.Errorf("got %q", got)
	}
}

func TestOnlyClusterNeedNotBeNamedByRoutes(t *testing.T) {
	inFolder(t)
	cfg := mustLoad(t, "[[cluster]]\nname = 'a'\nhosts = ['h:1']\n[[route]]\n")
	if got := cfg.Routes[0].Cluster; got != "a" {
		t.Errorf("got %q", got)
	}
}

func TestFileNamesAreRelativeToTheFilesFolder(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	writePair(t, "a.crt", "a.key")
	write(t, "userlist.txt", "")
	write(t, "proxy.toml", `
[[listener]]
tls = { cert = "a.crt", key = "`+filepath.Join(dir, "a.key")+`", client_ca = "./a.crt" }
[[cluster]]
name = "c"
discovery = "patroni"
scope = "s"
etcd = { endpoints = ["h:2379"], tls = { ca = "a.crt", cert = "a.crt", key = "a.key" } }
tls = { ca = "a.crt", cert = "a.crt", key = "a.key" }
rest = { ca = "a.crt", cert = "a.crt", key = "a.key" }
[auth]
hba_file = "pg_hba.conf"
ident_file = "pg_ident.conf"
`)
	t.Chdir(t.TempDir())
	cfg, err := Load(filepath.Join(dir, "proxy.toml"))
	if err != nil {
		t.Fatal(err)
	}
	crt, key := filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key")
	if got, want := cfg.Listeners[0].TLS, (ListenerTLS{crt, key, crt, "require"}); got != want {
		t.Errorf("listener: got %v, want %v", got, want)
	}
	if got, want := cfg.Clusters[0].Etcd.TLS, (ClientTLS{CA: crt, Cert: crt, Key: key}); got != want {
		t.Errorf("etcd: got %v, want %v", got, want)
	}
	if got, want := cfg.Clusters[0].REST, cfg.Clusters[0].Etcd.TLS; got != want {
		t.Errorf("rest: got %v, want %v", got, want)
	}
	if got, want := cfg.Clusters[0].TLS, (ServerTLS{"prefer", crt, crt, key}); got != want {
		t.Errorf("cluster: got %v, want %v", got, want)
	}
	a := cfg.Auth
	if got, want := [3]string{a.Users, a.HBAFile, a.IdentFile}, [3]string{
		filepath.Join(dir, "userlist.txt"), filepath.Join(dir, "pg_hba.conf"), filepath.Join(dir, "pg_ident.conf"),
	}; got != want {
		t.Errorf("auth: got %v, want %v", got, want)
	}
}

func TestTrustHasNoUserFileUnlessOneIsNamed(t *testing.T) {
	inFolder(t)
	if got := mustLoad(t, "auth.method = 'trust'").Auth.Users; got != "" {
		t.Errorf("not named: got %q", got)
	}
	if got := mustLoad(t, "auth = {method = 'trust', users = 'userlist.txt'}").Auth.Users; got != "userlist.txt" {
		t.Errorf("named: got %q", got)
	}
}
