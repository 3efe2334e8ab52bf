package translate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"portero/config"
)

var rewrite = flag.Bool("rewrite", false, "write what a translation gives into testdata; only for who understands the difference")

// awaited is the keys that a translation writes and this version of the configuration does
// not have yet. It is to be empty.
var awaited = []string{}

// inis is the names of the test's own files of PgBouncer's.
func inis(t testing.TB) (names []string) {
	t.Helper()
	found, err := filepath.Glob("testdata/*.ini")
	if err != nil || len(found) == 0 {
		t.Fatalf("%d files, %v", len(found), err)
	}
	for _, name := range found {
		if name = filepath.Base(name); name != "included.ini" {
			names = append(names, name)
		}
	}
	return names
}

func testFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// translated is the translation of files of testdata.
func translated(t *testing.T, names ...string) *Translation {
	t.Helper()
	var sources []Source
	for _, name := range names {
		sources = append(sources, Source{name, testFile(t, name)})
	}
	got, err := Files(sources, Options{
		Read:     func(name string) ([]byte, error) { return os.ReadFile(filepath.Join("testdata", name)) },
		FileName: func(name string) string { return name },
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// chains are the files of testdata that belong together.
func chains(t *testing.T) [][]string {
	list := [][]string{
		{"local.ini", "before.cfg", "patroni.yml"}, {"local.ini", "before.cfg"}, {"through.ini", "after.cfg", "patroni.yml"},
		{"through.ini", "after.cfg"}, {"after.cfg", "patroni.yml"}, {"after.cfg"}, {"patroni.yml"}, {"local.ini", "patroni.yml"},
	}
	for _, name := range inis(t) {
		list = append(list, []string{name})
	}
	return list
}

func TestFilesOfOperatorsAreTranslated(t *testing.T) {
	for _, names := range chains(t) {
		t.Run(strings.Join(names, "+"), func(t *testing.T) {
			got := translated(t, names...).TOML
			golden := filepath.Join("testdata", strings.ReplaceAll(strings.Join(names, "+"), ".", "-")+".toml")
			if *rewrite {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("not as in %s:\n%s", golden, got)
			}
		})
	}
}

func TestTheConfigurationAcceptsWhatIsTranslated(t *testing.T) {
	for _, names := range chains(t) {
		t.Run(strings.Join(names, "+"), func(t *testing.T) {
			dir := withFiles(t)
			if err := accepts(filepath.Join(dir, "proxy.toml"), translated(t, names...).TOML); err != nil {
				t.Error(err)
			}
		})
	}
}

// withFiles is a folder with the files that the test's own files name.
func withFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range sideFiles(t) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func sideFiles(t *testing.T) map[string]string {
	t.Helper()
	cert, key := selfSigned(t)
	return map[string]string{
		"userlist.txt": testFile(t, "userlist.txt"), "pg_hba.conf": testFile(t, "pg_hba.conf"),
		"server.crt": cert, "server.key": key, "ca.crt": cert,
	}
}

func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

var numbers = regexp.MustCompile(`\[\d+\]`)

// accepts is what the configuration has against a text, but for keys that are awaited.
func accepts(path, text string) error {
	_, _, err := config.Parse(path, text, nil)
	faults, ok := errors.AsType[config.Faults](err)
	if !ok {
		return err
	}
	faults = slices.DeleteFunc(faults, func(f config.Fault) bool {
		return f.Message == "unknown key" && slices.Contains(awaited, numbers.ReplaceAllString(f.Key, ""))
	})
	if len(faults) == 0 {
		return nil
	}
	return faults
}

// withoutAwaited is a text without what this version does not know.
func withoutAwaited(text string) string {
	var b strings.Builder
	table := ""
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "[") {
			table = strings.Trim(line, "[]\n")
		}
		name, _, _ := strings.Cut(line, " = ")
		if !slices.Contains(awaited, table) && !slices.Contains(awaited, table+"."+name) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// parses is what keeps a text from being TOML.
func parses(text string) error {
	_, _, err := config.Parse("proxy.toml", text, nil)
	faults, _ := errors.AsType[config.Faults](err)
	for _, f := range faults {
		if f.Key == "" && f.File == "proxy.toml" {
			return config.Faults{f}
		}
	}
	return nil
}

func TestEveryKeyOfOursIsKnownOrAwaited(t *testing.T) {
	cfg := config.Default()
	for i := range settings {
		s := &settings[i]
		if s.key == "" {
			continue
		}
		_, known := field(cfg, s.key)
		switch root, _, _ := strings.Cut(s.key, "."); {
		case root == "listener", root == "cluster":
		case known && slices.Contains(awaited, s.key):
			t.Errorf("%s has come: it is awaited no longer", s.key)
		case !known && !slices.Contains(awaited, s.key):
			t.Errorf("%s (%s) is no key of the configuration", s.key, s.name)
		}
	}
}

func TestFaultsAreToldTogetherWithTheirLines(t *testing.T) {
	_, err := Files([]Source{
		{"pgbouncer.ini", "[databases]\npgbouncer = host=a\na = host=x colour=red port=0\nb = host\n[pgbouncer]\npool_mode = often\n" +
			"max_client_conn = many\nquery_timeout = -1\ncolour = red\nauth_type = hba\n[users]\nu = pool_mode=x\n"},
		{"haproxy.cfg", "bind *:1\nlisten a\n bind *:x\n server s nowhere\n server t 'h\nfrontend b\n bind :2\n default_backend none\n"},
		{"patroni.yml", "namespace: x\nconsul:\n  host: x\n"},
		{"patroni2.yml", "a: [\n"},
		{"what.txt", "nothing\n"},
		{"latin.ini", "[pgbouncer]\nlogfile=\xe9\n"},
	}, Options{})
	want := []string{
		"haproxy.cfg:1: bind stands before the first section (global, defaults, listen, ...)",
		"haproxy.cfg:5: a quote without its end", "haproxy.cfg:3: *:x is no host:port",
		"haproxy.cfg:4: server s: nowhere is no host:port", "haproxy.cfg:8: there is no backend none",
		"patroni.yml: has no scope, which names the cluster",
		"patroni.yml:2: Portero follows Patroni in etcd, not in consul: leave this file out, and the servers are asked for their roles",
		"patroni2.yml:1: is no YAML: did not find expected node content", "patroni2.yml: is the second file of its kind: one of each can be translated",
		"what.txt: is none of pgbouncer.ini, haproxy.cfg and patroni.yml, by its name and by what stands in it",
		"latin.ini: is not in UTF-8",
		"pgbouncer.ini:2: the name pgbouncer is the console's", "pgbouncer.ini:3: a: there is no colour=", "pgbouncer.ini:3: a: port= must be a port, not 0",
		"pgbouncer.ini:4: b is no list of key=value: a value with spaces in it stands in single quotes, each ' in it is written twice",
		`pgbouncer.ini:6: pool_mode must be one of session, transaction, statement, not "often"`,
		`pgbouncer.ini:7: max_client_conn must be a whole number, not "many"`, `pgbouncer.ini:8: query_timeout must be a number of seconds, not "-1"`,
		"pgbouncer.ini:9: there is no setting colour", "pgbouncer.ini:10: auth_type hba needs auth_hba_file",
		"pgbouncer.ini:12: u: pool_mode= must be one of session, transaction, statement",
	}
	if err == nil {
		t.Fatal("no fault")
	}
	got := strings.Split(err.Error(), "\n")
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no %q in\n%s", w, err)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d faults, want %d:\n%s", len(got), len(want), err)
	}
}

func TestAFaultOfTheConfigurationIsTracedToTheLineOfTheFile(t *testing.T) {
	got := translated(t, "through.ini", "after.cfg", "patroni.yml")
	for key, want := range map[string]string{
		"route[2].pool_size": "through.ini:3", "route[3].cluster": "through.ini:4", "route[2]": "through.ini:3",
		"auth.users": "through.ini:9", "cluster[1].etcd.endpoints[2]": "patroni.yml:9", "listener[1].address": "through.ini:6",
	} {
		if at, ok := got.Origin(key); !ok || at.String() != want {
			t.Errorf("%s: %s, want %s", key, at, want)
		}
	}
	if at, ok := got.Origin("loops"); ok {
		t.Errorf("loops: %s", at)
	}
}

// In PgBouncer nobody gets to a database that is not listed, and in the translation neither.
func TestAFileThatListensNowhereIsRefusedAsByPgBouncer(t *testing.T) {
	_, err := Files([]Source{{"pgbouncer.ini", "[databases]\na = host=x\n[pgbouncer]\nlisten_addr =\nunix_socket_dir =\n"}}, Options{})
	if err == nil || err.Error() != "pgbouncer.ini:4: there is nowhere to listen: set listen_addr or unix_socket_dir" {
		t.Error(err)
	}
}

func TestAFileWithoutDatabasesLeadsToNone(t *testing.T) {
	got, err := Files(trusting("", ""), Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Parse("proxy.toml", got.TOML, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Routes) != 1 || cfg.Routes[0].Database != "pgbouncer" || len(got.Remarks) != 2 { // the other is of auth_type trust
		t.Errorf("routes %+v, remarks %v", cfg.Routes, got.Remarks)
	}
}

// trusting is a file with databases and some more settings.
func trusting(databases, more string) []Source {
	return []Source{{"p.ini", "[databases]\n" + databases + "\n[pgbouncer]\nauth_type=trust\n" + more}}
}

func TestRoutesToOneDatabaseAgree(t *testing.T) {
	for _, c := range []struct{ name, databases, more string }{
		{"two names of a database", "a=host=h dbname=x pool_size=5\nb=host=h dbname=x pool_size=9", ""},
		{"one at the default", "a=host=h dbname=x pool_size=5\nb=host=h dbname=x", "min_pool_size=2"},
		{"through the star", "a=host=h dbname=x pool_size=50\n*=host=h", ""},
		{"smaller than what is kept open", "a=host=h pool_size=3", "min_pool_size=10"},
		{"all smaller than what is kept open", "a=host=h", "min_pool_size=10\ndefault_pool_size=4"},
		{"in all that their servers have in common", "a=host=h dbname=x reserve_pool_size=5 max_db_connections=3 server_lifetime=7\n" +
			"b=host=h dbname=x connect_query='select 1' max_db_connections=9\nc=host=h dbname=x server_lifetime=8", "max_db_connections=0"},
		{"as one user and as anybody", "a=host=h dbname=x user=u pool_size=5\nb=host=h dbname=x pool_size=9", ""},
		{"as two users", "a=host=h dbname=x user=u pool_size=5\nb=host=h dbname=x user=v pool_size=9", ""},
		{"a forced user through the star", "a=host=h dbname=x user=u pool_size=5\n*=host=h", ""},
		{"without a limit", "a=host=h pool_size=0 min_pool_size=7", ""},
		{"in another mode", "a=host=h dbname=x pool_size=5 pool_mode=statement\nb=host=h dbname=x", ""},
		{"named twice", "a=host=h pool_size=5\na=host=h", ""},
		{"several hosts", "a=host=h,i,h pool_size=5\nb=host=h,i", ""},
		{"IPv6", "a=host=::1 port=1\nb=host=[::1] port=1", "listen_addr=::1,*"},
		{"names that are hard to write", `a=host=h dbname='x"\y'`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Files(trusting(c.databases, c.more), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := accepts(filepath.Join(t.TempDir(), "proxy.toml"), got.TOML); err != nil {
				t.Errorf("%v\nof\n%s", err, got.TOML)
			}
		})
	}
}
