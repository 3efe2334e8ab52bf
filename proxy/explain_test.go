package proxy_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/auth"
	"portero/config"
	"portero/metrics"
	"portero/proxy"
)

// explained is a configuration in which nearly everything differs from client to client.
const explained = `
[[listener]]
address = "127.0.0.1:1"
tls = { cert = "%[1]s", key = "%[2]s" }
[[listener]]
address = "127.0.0.2:1"
role = "any"
[[listener]]
address = "127.0.0.3:1"
tls = { cert = "%[1]s", key = "%[2]s", mode = "require" }
[[listener]]
address = "unix:%[3]s"

[[cluster]]
name = "one"
hosts = ["%[4]s"]
tls = { mode = "disable" }

[[route]]
database = "nightly"
dbname = "app"
pool_mode = "session"
pool_size = 3
[[route]]
listener = "127.0.0.2:1"
database = "app"
user = "scrammer"
pool_size = 4
min_pool_size = 2
[[route]]
database = "shared"
dbname = "app"
server_user = "clear"
server_password = "secret"
[[route]]
database = "app"
role = "leader"

[[user]]
name = "clear"
pool_size = 5
[[user]]
name = "hasher"
pool_mode = "statement"
pool_size = 2

[pool]
pool_size = 6

[auth]
users = "userlist.txt"
hba_file = "pg_hba.conf"
`

const explainedRules = `
local     all             app                     trust
local     all             clear                   password
local     all             scrammer                reject
hostssl   all             scrammer  127.0.0.0/8   scram-sha-256
hostnossl all             scrammer  all           reject
host      app,nightly     clear     127.0.0.9/32  reject
host      all             clear     samehost      password
hostssl   all             hasher    all           scram-sha-256
host      all             hasher    all           md5
host      sameuser        app       all           trust
host      nightly,shared  app       127.0.0.9/32  trust
host      all             /^fol     127.0.0.0/8   md5
`

// coming is a way to come.
type coming struct {
	listener int // of explained
	from     string
	tls      string
}

var comings = []coming{
	{0, "127.0.0.1", "no"}, {0, "127.0.0.1", "yes"}, {0, "127.0.0.9", "no"}, {0, "127.0.0.9", "yes"},
	{1, "127.0.0.1", "no"}, {1, "127.0.0.1", "yes"}, {2, "127.0.0.9", "no"}, {2, "127.0.0.1", "yes"}, {3, "local", ""},
}

// TestExplainSaysWhatALoginGets logs in in hundreds of ways, and has each explained before.
func TestExplainSaysWhatALoginGets(t *testing.T) {
	w, a, origins := startExplained(t)
	refusals, pools, methods := map[string]int{}, map[string]int{}, map[string]int{}
	for _, by := range comings {
		for _, database := range []string{"app", "nightly", "shared", "web"} {
			for _, user := range []string{"app", "scrammer", "clear", "hasher", "follower", "ghost"} {
				q := proxy.Newcomer{Database: database, User: user, From: by.from, TLS: by.tls, Listener: w.cfg.Listeners[by.listener].Address}
				found := must(w.proxy.Explain(w.cfg, a, origins, q))(t)
				if len(found.Answers) != 1 {
					t.Fatalf("%+v: %d answers", q, len(found.Answers))
				}
				answer := found.Answers[0]
				got := w.come(by, user, database)
				if want := expected(&answer); got != want {
					t.Errorf("%+v\nexplained: %s\nthe login: %s", q, want, got)
				}
				if answer.Refused != nil {
					refusals[answer.Refused.By+" "+answer.Refused.Code]++
					continue
				}
				pools[answer.Pool.Mode+" "+answer.Pool.Role]++
				methods[answer.Rule.Method]++
			}
		}
	}
	for _, kind := range []string{"listener ", "listener 28000", "rule 28000", "rule 28P01", "route 3D000"} {
		if refusals[kind] == 0 {
			t.Errorf("nobody is refused by %q: %v", kind, refusals)
		}
	}
	for _, kind := range []string{"session leader", "session any", "statement leader", "transaction leader", "transaction any"} {
		if pools[kind] == 0 {
			t.Errorf("nobody comes to a pool of %q: %v", kind, pools)
		}
	}
	for _, method := range []string{"trust", "password", "md5", "scram-sha-256"} {
		if methods[method] == 0 {
			t.Errorf("nobody comes by method %q: %v", method, methods)
		}
	}
}

// A client of this host comes from the address that it connects to; in 127.0.0.0/8 from the first.
func TestExplainKnowsWhereThisHostComesFrom(t *testing.T) {
	for listener, want := range map[string]string{
		"127.0.0.1:6432": "127.0.0.1", "127.0.0.2:6432": "127.0.0.1", "[::ffff:127.0.0.2]:6432": "127.0.0.1", "[::1]:6432": "::1",
		":6432": "127.0.0.1", "0.0.0.0:6432": "127.0.0.1", "[::]:6432": "127.0.0.1", "localhost:6432": "127.0.0.1",
		"10.9.9.9:6432": "10.9.9.9", "[::ffff:10.9.9.9]:6432": "10.9.9.9", "[fd00::9]:6432": "fd00::9",
	} {
		var a *auth.Authenticator
		text := fmt.Sprintf("[[listener]]\naddress = %q\n[[cluster]]\nname = \"one\"\nhosts = [\"127.0.0.1:5432\"]\n[[route]]\n[auth]\nmethod = \"trust\"\nusers = \"\"\n", listener)
		cfg, _, err := config.Parse("proxy.toml", text, nil, func(c *config.Config, r *config.Report) { a = auth.Load(c, r) })
		if err != nil {
			t.Fatal(err)
		}
		found := must(proxy.Explain(cfg, a, nil, proxy.Newcomer{User: "app"}))(t)
		if got := found.Answers[0].Listeners[0].From; got != want {
			t.Errorf("to %s it is said to come from %s, and comes from %s", listener, got, want)
		}
	}
}

func startExplained(t *testing.T) (*world, *auth.Authenticator, *config.Origins) {
	t.Helper()
	cfg, a, origins := readExplained(t, "secret")
	w := startBefore(t, postgres(t).Address(), func(c *config.Config) {
		*c = *cfg
		c.Loops = 1
		for i := range c.Listeners { // which no file can say
			c.Listeners[i].Address = strings.Replace(c.Listeners[i].Address, ":1", ":0", 1)
		}
		for i := range c.Routes {
			c.Routes[i].Listener = strings.Replace(c.Routes[i].Listener, ":1", ":0", 1)
		}
	})
	return w, a, origins
}

// readExplained reads explained with this password, wherever one is given in the clear.
func readExplained(t *testing.T, password string) (cfg *config.Config, a *auth.Authenticator, origins *config.Origins) {
	t.Helper()
	dir, files := t.TempDir(), postgres(t).Certificate
	users := user("clear", password) + "\n" + user("hasher", storedSecret(t, "hasher")) + "\n" + user("scrammer", storedSecret(t, "scrammer")) + "\n"
	for name, text := range map[string]string{"userlist.txt": users, "pg_hba.conf": explainedRules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprintf(strings.ReplaceAll(explained, `"secret"`, strconv.Quote(password)), files.Cert, files.Key, t.TempDir(), postgres(t).Address())
	cfg, _, err := config.Parse(filepath.Join(dir, "proxy.toml"), text, nil, func(c *config.Config, r *config.Report) {
		a, origins = auth.Load(c, r), r.Origins(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	return cfg, a, origins
}

// expected is an answer in the form of come.
func expected(a *proxy.Answer) string {
	if r := a.Refused; r != nil && r.Code == "" {
		return "no TLS"
	} else if r != nil {
		return r.Code + " " + r.Message
	}
	size := slices.IndexFunc(a.Settings, func(s proxy.Setting) bool { return s.Name == "pool_size" })
	return fmt.Sprintf("%s: %s as %s; %s %d %s %s, %s servers", asked[a.Rule.Method], a.Pool.Database, a.Pool.User,
		a.Pool.Cluster, a.Pool.Group, a.Pool.Role, a.Pool.Mode, a.Settings[size].Value)
}

// asked is what a method asks for first, as the protocol numbers it.
var asked = map[string]string{"trust": "R0", "password": "R3", "md5": "R5", "scram-sha-256": "R10"}

// come logs in, and tells what has become of it.
func (w *world) come(by coming, user, database string) string {
	w.t.Helper()
	host, port, _ := strings.Cut(w.addresses[by.listener], ":")
	if path, ok := strings.CutPrefix(w.addresses[by.listener], "unix:"); ok {
		host, port = filepath.Dir(path), strings.TrimPrefix(filepath.Ext(path), ".")
	}
	mode := map[string]string{"yes": "require", "no": "disable", "": "disable"}[by.tls]
	c := must(pgconn.ParseConfig(fmt.Sprintf("host=%s port=%s user=%s dbname=%s password=secret sslmode=%s", host, port, user, database, mode)))(w.t)
	if by.from != proxy.FromLocal {
		c.DialFunc = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(by.from)}}).DialContext
	}
	var heard bytes.Buffer
	c.BuildFrontend = func(r io.Reader, out io.Writer) *pgproto3.Frontend {
		return pgproto3.NewFrontend(io.TeeReader(r, &heard), out)
	}
	ctx := bounded(w.t)
	conn, err := pgconn.ConnectConfig(ctx, c)
	var said *pgconn.PgError
	switch {
	case errors.As(err, &said):
		return said.Code + " " + said.Message
	case err != nil && strings.Contains(err.Error(), "refused TLS"):
		return "no TLS"
	case err != nil:
		return err.Error()
	}
	results, err := conn.Exec(ctx, "select current_database() || ' as ' || current_user").ReadAll()
	if err != nil {
		return err.Error()
	}
	where := w.whereabouts()
	conn.Close(context.Background()) //nolint:errcheck // its absence is waited for
	eventually(w.t, "the client has gone", func() bool { return w.proxy.Clients() == 0 })
	return fmt.Sprintf("R%d: %s; %s", binary.BigEndian.Uint32(heard.Bytes()[5:]), results[0].Rows[0][0], where)
}

// whereabouts is the pool of the only client there is.
func (w *world) whereabouts() string {
	pools := slices.DeleteFunc(w.pools.States(), func(s metrics.PoolState) bool { return s.Clients == 0 })
	if len(pools) != 1 {
		return fmt.Sprintf("in %d pools", len(pools))
	}
	l := pools[0].Labels
	return fmt.Sprintf("%s %d %s %s, %d servers", l.Cluster, l.Group, l.Role, l.Mode, pools[0].Size)
}

// Each place that a setting is said to come from is a line that gives it, and what none gives is
// a default. A user's comes before a route's, and is the server's user's where that is another.
func TestExplainNamesTheLinesOfSettings(t *testing.T) {
	cfg, a, origins := readExplained(t, "secret")
	for _, c := range []struct {
		user, database, from, tls string
		given                     []string // lines of explained
	}{
		{"scrammer", "app", "127.0.0.1", "yes", []string{"pool_size = 6"}},
		{"app", "nightly", "127.0.0.9", "yes", []string{"pool_size = 3", `pool_mode = "session"`}},
		{"clear", "nightly", "127.0.0.1", "yes", []string{"pool_size = 5", `pool_mode = "session"`}},
		{"app", "shared", "127.0.0.9", "yes", []string{"pool_size = 5"}},
		{"hasher", "app", "127.0.0.1", "no", []string{"pool_size = 2", `pool_mode = "statement"`}},
	} {
		found := must(proxy.Explain(cfg, a, origins, proxy.Newcomer{Database: c.database, User: c.user, From: c.from, Listener: "127.0.0.1:1", TLS: c.tls}))(t)
		want, got := map[string]string{}, map[string]string{}
		for _, line := range c.given {
			name, value, _ := strings.Cut(line, " = ")
			before, _, _ := strings.Cut(explained, "\n"+line+"\n")
			want[name] = fmt.Sprintf("%s, proxy.toml:%d", strings.Trim(value, `"`), strings.Count(before, "\n")+2)
		}
		for _, s := range found.Answers[0].Settings {
			if s.Place != "" {
				got[s.Name] = s.Value + ", " + filepath.Base(s.Place)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s to %s: %v, want %v", c.user, c.database, got, want)
		}
	}
}

// No password, hash or verifier is in what is explained, whoever asks for whom.
func TestExplainTellsNoSecret(t *testing.T) {
	const password = "Xyzzy-4711"
	w, _, _ := startExplained(t)
	cfg, a, origins := readExplained(t, password)
	for _, name := range []string{"clear", "hasher", "scrammer", "app"} {
		for _, database := range []string{"app", "shared", "nightly"} {
			found := must(w.proxy.Explain(cfg, a, origins, proxy.Newcomer{Database: database, User: name}))(t)
			text := string(must(json.Marshal(found))(t))
			for _, secret := range []string{password, storedSecret(t, "hasher"), storedSecret(t, "scrammer"), "SCRAM-SHA-256$"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s at %s is told %q", name, database, secret)
				}
			}
		}
	}
}

// explainsAll compares what is explained of attempts with the answers that they got. What a
// client has proved, explain cannot know: it says who is refused whatever that is.
func explainsAll(t *testing.T, w *world, all []attempt, answers map[attempt]string) {
	t.Helper()
	a := auth.Load(w.cfg, config.NewReport())
	refused := 0
	for _, one := range all {
		i, q := 0, proxy.Newcomer{Database: one.database, User: one.user, From: "127.0.0.1", TLS: "yes", Replication: one.replication}
		switch {
		case one.by == "unix":
			i, q.From, q.TLS = 2, proxy.FromLocal, ""
		case one.by == "plain":
			q.TLS = "no"
		case one.by == "cert ": // it is taken to have one
			continue
		case strings.HasPrefix(one.by, "cert "):
			i = 1
		}
		q.Listener = w.cfg.Listeners[i].Address
		found := must(proxy.Explain(w.cfg, a, nil, q))(t)
		answer := found.Answers[len(found.Answers)-1] // the TCP listeners have one address: the second is meant by certificates
		if i == 0 {
			answer = found.Answers[0]
		}
		switch got := answers[one]; {
		case answer.Refused == nil:
			proves := answer.Rule.Method != "trust" || len(answer.Rule.Needs) > 0
			if got != "" && !proves && !strings.HasPrefix(got, "3D000") && one.replication == "" {
				t.Errorf("%+v is explained to be let in, and got %s", one, got)
			}
		default:
			refused++
			if want := answer.Refused.Code + " " + answer.Refused.Message; got != want {
				t.Errorf("%+v is explained to get %s, and got %s", one, want, orIn(got))
			}
		}
	}
	if refused < 20 {
		t.Errorf("only %d attempts are explained to be refused", refused)
	}
}
