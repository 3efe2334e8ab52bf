package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portero/config"
	"portero/internal/lab"
)

// The names of the operating system's user of the test stand in for %s.
const rulesOfBoth = `
# the superuser, by whom the test itself asks
host    all          postgres              127.0.0.1/32        trust
local   all          postgres                                  trust

local   app          mapped                                    peer   map=system
local   app          %[1]s                                     peer
local   app          peerless                                  peer
local   app          refused                                   reject
local   app          app                                       trust
local   sameuser     all                                       trust
local   app          scrammer                                  scram-sha-256
local   replication  mapped                                    peer   map=system

hostssl app          "certified"           samehost            cert
hostssl app          byname                127.0.0.1/32        cert   map=certs
hostssl app          scrammer              127.0.0.1/32        scram-sha-256 clientcert=verify-full
hostssl app          hasher                127.0.0.1/32        md5 clientcert=verify-ca
hostssl app          trusting              127.0.0.1/32        trust clientcert=verify-full

host    replication  refused               127.0.0.1/32        reject
hostnossl replication scrammer             127.0.0.1/32        scram-sha-256
host    replication  app,twin              127.0.0.1/32        trust
host    "app","x y"  refused,\
                     refused2              127.0.0.1 255.0.0.0 reject  # in two lines
hostssl app          app                   samenet             reject
hostnossl app,web    app                   127.0.0.1/32        trust
host    sameuser     twin                  0.0.0.0/0           trust
host    app          clear                 all                 password
host    app          hasher                127.0.0.1/32        md5
host    app          scrammer              127.0.0.1/32        scram-sha-256
host    app          nobody                127.0.0.1/32        md5
host    app          elsewhere             10.0.0.0/8          trust
host    all          all                   ::1/128             trust
`

const mapsOfBoth = `
system  %[1]s                     mapped
system  %[1]s                     other
certs   /^(.*)@example\.com$      \1
certs   "someone"                 "byname"
`

// attempt is one way to connect.
type attempt struct {
	by       string // unix | plain | tls, or the name of a certificate
	user     string
	password string
	database string

	replication string // parameter of that name
}

func attempts(me string) (all []attempt) {
	for _, by := range []string{"unix", "plain", "tls"} {
		for _, user := range []string{"app", "refused", "refused2", "mapped", "peerless", me, "twin", "elsewhere"} {
			all = append(all, attempt{by, user, "", "app", ""}, attempt{by, user, "", user, ""}, attempt{by, user, "", "web", ""},
				attempt{by, user, "", "app", "database"}, attempt{by, user, "", "app", "true"}, attempt{by, user, "", "replication", "true"})
		}
		for _, user := range []string{"clear", "nobody", "hasher", "scrammer"} {
			if by == "tls" && user == "hasher" {
				break // their rules ask for certificates: below
			}
			all = append(all, attempt{by, user, "secret", "app", ""}, attempt{by, user, "wrong", "app", ""}, attempt{by, user, "secret", "web", ""}, attempt{by, user, "secret", "replication", "true"})
		}
	}
	for _, by := range []string{"certified", "someone", "byname@example.com", "scrammer", "none", ""} {
		for _, user := range []string{"certified", "byname", "scrammer", "hasher", "trusting"} {
			all = append(all, attempt{"cert " + by, user, "secret", "app", ""})
		}
		all = append(all, attempt{"cert " + by, "scrammer", "wrong", "app", ""})
	}
	return all
}

// TestRulesLetInAndRefuseAsPostgreSQLItselfDoes makes the same attempts at a
// server and, through Portero with the same files, at the same server, which
// by then trusts everyone.
func TestRulesLetInAndRefuseAsPostgreSQLItselfDoes(t *testing.T) {
	sideBySide(t)
	me := must(osuser.Current())(t).Username
	p := lab.PostgresForTest(t, lab.PostgresOptions{TLS: true, SQL: []string{
		"create role app login", "create role refused login", "create role refused2 login", "create role mapped login", "create role peerless login", "create role twin login replication",
		"create role elsewhere login", "create role certified login", "create role byname login", "create role trusting login",
		fmt.Sprintf("create role %q login", me),
		"create role clear login password 'secret'", "create role scrammer login password 'secret'",
		"set password_encryption = 'md5'", "create role hasher login password 'secret'",
		"create database app", "create database web", "create database twin", "create database refused",
	}})
	ca := newAuthority(t, p.SocketDir)
	certs := map[string]issued{"": {}}
	for i, cn := range []string{"certified", "someone", "byname@example.com", "scrammer", "none"} {
		who := certificateFor(cn)
		if cn == "none" {
			who = certificateFor("")
		}
		certs[cn] = ca.sign("client"+strconv.Itoa(i), who)
	}
	hba, ident := filepath.Join(p.DataDir, "pg_hba.conf"), filepath.Join(p.DataDir, "pg_ident.conf")
	rules, maps := fmt.Sprintf(rulesOfBoth, me), fmt.Sprintf(mapsOfBoth, me)
	reconfigure(t, p, map[string]string{hba: rules, ident: maps}, ca.file)
	direct := func(attempt) (host, port string) { return "127.0.0.1", strconv.Itoa(p.Port()) }
	want := tryAll(t, me, certs, p.SocketDir, strconv.Itoa(p.Port()), direct)
	reconfigure(t, p, map[string]string{hba: "local all all trust\nhost all,replication all 127.0.0.1/32 trust\n"}, ca.file)

	w := startBefore(t, p.Address(), withRules(t, rules, maps), secured(t, "prefer"), func(c *config.Config) {
		c.Listeners = append(c.Listeners, config.Listener{Address: "127.0.0.1:0"}, config.Listener{Address: "unix:" + t.TempDir()})
		certifying(t, 1, ca, "require")(c)
	})
	through := func(a attempt) (host, port string) {
		i := 0
		if strings.HasPrefix(a.by, "cert ") {
			i = 1
		}
		host, port, _ = strings.Cut(w.addresses[i], ":")
		return host, port
	}
	socket := strings.TrimPrefix(w.addresses[2], "unix:")
	got := tryAll(t, me, certs, filepath.Dir(socket), strings.TrimPrefix(filepath.Base(socket), ".s.PGSQL."), through)

	explainsAll(t, w, attempts(me), got)
	kinds := make(map[string]int)
	for _, a := range attempts(me) {
		if got[a] != want[a] {
			t.Errorf("%+v\nPortero:    %s\nPostgreSQL: %s", a, orIn(got[a]), orIn(want[a]))
		}
		kinds[strings.Split(orIn(want[a]), " for ")[0]]++
	}
	for _, kind := range []string{
		"let in", "28000 no pg_hba.conf entry", "28000 pg_hba.conf rejects connection", "28P01 password authentication failed",
		"28000 Peer authentication failed", "28000 certificate authentication failed", `28000 "trust" authentication failed`,
		"28000 connection requires a valid client certificate", "28000 pg_hba.conf rejects replication connection",
	} {
		if kinds[kind] == 0 {
			t.Errorf("no attempt was answered %q: %v", kind, kinds)
		}
	}
}

func orIn(answer string) string {
	if answer == "" {
		return "let in"
	}
	return answer
}

// withRules sets hba_file and ident_file, and knows all passwords.
func withRules(t *testing.T, rules, maps string) func(*config.Config) {
	t.Helper()
	dir := t.TempDir()
	a := config.Auth{
		HBAFile: filepath.Join(dir, "pg_hba.conf"), IdentFile: filepath.Join(dir, "pg_ident.conf"), Users: filepath.Join(dir, "userlist.txt"),
	}
	users := strings.Join([]string{user("clear", "secret"), user("hasher", "secret"), user("scrammer", "secret")}, "\n")
	for name, text := range map[string]string{a.HBAFile: rules, a.IdentFile: maps, a.Users: users} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(c *config.Config) { c.Auth = a }
}

// reconfigure writes files of a server, has it ask clients for certificates,
// and waits until it does so by what they say.
func reconfigure(t *testing.T, p *lab.Postgres, files map[string]string, ca string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loaded := func() time.Time {
		conn := must(pgx.Connect(bounded(t), p.SuperuserDSN("postgres")))(t)
		defer conn.Close(context.Background())
		var at time.Time
		if err := conn.QueryRow(bounded(t), "select pg_conf_load_time()").Scan(&at); err != nil {
			t.Fatal(err)
		}
		return at
	}
	before := loaded()
	if err := lab.RunSQL(bounded(t), p.SuperuserDSN("postgres"), "alter system set ssl_ca_file = '"+ca+"'", "select pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server has read its files", func() bool { return loaded().After(before) })
}

// tryAll makes all attempts and returns how they were answered: "" or SQLSTATE
// and message.
func tryAll(t *testing.T, me string, certs map[string]issued, socketDir, socketPort string, address func(attempt) (host, port string)) map[attempt]string {
	t.Helper()
	answers := make(map[attempt]string)
	for _, a := range attempts(me) {
		host, port := socketDir, socketPort
		if a.by != "unix" {
			host, port = address(a)
		}
		dsn := fmt.Sprintf("host=%s port=%s user=%s dbname=%s password='%s'", host, port, a.user, a.database, a.password)
		if a.replication != "" {
			dsn += " replication=" + a.replication
		}
		switch cn, certified := strings.CutPrefix(a.by, "cert "); {
		case certified && cn != "":
			dsn += fmt.Sprintf(" sslmode=require sslcert=%s sslkey=%s", certs[cn].cert, certs[cn].key)
		case certified, a.by == "tls":
			dsn += " sslmode=require"
		default:
			dsn += " sslmode=disable"
		}
		answers[a] = answerTo(t, dsn)
	}
	return answers
}

func answerTo(t *testing.T, dsn string) string {
	t.Helper()
	ctx := bounded(t)
	conn, err := pgx.Connect(ctx, dsn)
	if err == nil {
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "select 1")
	}
	var said *pgconn.PgError
	switch {
	case errors.As(err, &said):
		return said.Code + " " + said.Message
	case err != nil:
		return err.Error()
	}
	return ""
}
