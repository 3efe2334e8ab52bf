package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/internal/lab"
)

// oddName needs quotes of both kinds wherever it is pasted into a text.
const oddName = `o'dd "na\me" $1`

// The functions by which Zalando's operator and CloudNativePG have users looked up: the
// former says NULL, NULL of one who is not there, the latter nothing. Each call is counted.
const zalandosLookup = `create function user_lookup(in i_username text, out uname text, out phash text) returns record
	language plpgsql security definer set search_path = pg_catalog as $$
	begin
		perform nextval('public.lookups');
		select usename, passwd from pg_shadow where usename = i_username into uname, phash;
		return;
	end $$`

const cloudNativePGsLookup = `create function user_search(uname text) returns table (usename name, passwd text)
	language sql security definer set search_path = pg_catalog as
	'select usename, passwd from pg_shadow where usename = $1'`

const (
	asZalando       = "SELECT uname, phash FROM user_lookup($1)"
	asCloudNativePG = "SELECT usename, passwd FROM public.user_search($1)"
)

// userServer is a server whose users have secrets of each kind, all of the password
// "secret". boss is a superuser, asker is not; they have the user file's "asking".
func userServer(t *testing.T) *lab.Postgres {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a PostgreSQL")
	}
	p := lab.PostgresForTest(t, lab.PostgresOptions{
		TLS: true, Auth: "md5",
		SQL: []string{
			"create role boss superuser login password 'asking'", "create role asker login password 'asking'",
			"create role scrammer login password 'secret'", "create role expired login password 'secret' valid until '2000-01-01'",
			"create role unexpired login password 'secret' valid until '2100-01-01'",
			"create role bare login", "create role locked password 'secret'",
			"create role " + pgx.Identifier{oddName}.Sanitize() + " login password 'secret'",
			"set password_encryption = 'md5'", "create role hasher login password 'secret'",
			"create database app", "create database other",
		},
	})
	inApp(t, p, "create sequence lookups", zalandosLookup, cloudNativePGsLookup,
		"create table secrets (name text, secret text)", "grant select on secrets to asker",
		"insert into secrets values ('scrammer', 'secret'), ('twice', 'secret'), ('twice', 'secret')")
	return p
}

// inApp runs SQL as a superuser in database app.
func inApp(t *testing.T, p *lab.Postgres, sql ...string) {
	t.Helper()
	if err := lab.RunSQL(bounded(t), p.SuperuserDSN("app"), sql...); err != nil {
		t.Fatal(err)
	}
}

// lookup has users looked up by a query, "" for the default one, which user asks.
func lookup(t *testing.T, method, user, query string) func(*config.Config) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "userlist.txt")
	if err := os.WriteFile(file, []byte("\"boss\" \"asking\"\n\"asker\" \"asking\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config) {
		c.Auth.Method, c.Auth.Users, c.Auth.QueryUser = method, file, user
		if query != "" {
			c.Auth.Query = query
		}
	}
}

// quoted is a value for a connection string.
func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func TestUsersAreLookedUpInTheDatabase(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	type login struct{ user, password, want string }
	for _, c := range []struct {
		name, method, asker, query string
		logins                     []login
	}{
		{"password", "password", "boss", "", []login{{"hasher", "secret", ""}}},
		{"md5", "md5", "boss", "", []login{{"hasher", "secret", ""}, {"hasher", "wrong", "28P01"}}},
		{"SCRAM", "scram-sha-256", "boss", "", []login{{"hasher", "secret", "28P01"}}},
		{"Zalando", "scram-sha-256", "asker", asZalando, nil},
		{"CloudNativePG", "scram-sha-256", "asker", asCloudNativePG, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := startBefore(t, p.Address(), lookup(t, c.method, c.asker, c.query))
			all := append(c.logins, []login{
				{"scrammer", "secret", ""}, {"scrammer", "wrong", "28P01"}, {"scrammer", "secret", ""},
				{oddName, "secret", ""}, {oddName, "wrong", "28P01"},
				{"unexpired", "secret", ""}, {"bare", "secret", "28P01"}, {"nobody", "secret", "28P01"},
				{"asker", "asking", ""}, {"asker", "secret", "28P01"}, // of the file
			}...)
			if c.query == "" {
				all = append(all, login{"expired", "secret", "28P01"}, login{"locked", "secret", "28P01"})
			}
			for _, l := range all {
				if code := w.sqlState(quoted(l.user), l.password); code != l.want {
					t.Errorf("%s with password %s: %q, not %q", l.user, l.password, code, l.want)
				}
			}
		})
	}
}

func TestPasswordsInATableLetInByEveryMethod(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	for _, method := range []string{"password", "md5", "scram-sha-256"} {
		w := startBefore(t, p.Address(), lookup(t, method, "asker", "select name, secret from secrets where name = $1"))
		for _, l := range [][3]string{{"scrammer", "secret", ""}, {"scrammer", "wrong", "28P01"}, {"twice", "secret", "F0000"}} {
			if code := w.sqlState(l[0], l[1]); code != l[2] {
				t.Errorf("%s: %s with password %s: %q", method, l[0], l[1], code)
			}
		}
	}
}

func TestUsersAreLookedUpForClientsBySocketAndTLS(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	t.Run("socket", func(t *testing.T) {
		w := startBefore(t, p.Address(), lookup(t, "scram-sha-256", "boss", ""), onASocket(t))
		folder, name := filepath.Split(strings.TrimPrefix(w.address(), "unix:"))
		w.letsInWith("secret", "host="+folder+" port="+strings.TrimPrefix(name, ".s.PGSQL."))
	})
	t.Run("TLS", func(t *testing.T) {
		w := startBefore(t, p.Address(), lookup(t, "scram-sha-256", "boss", ""), func(c *config.Config) {
			c.Listeners[0].TLS = config.ListenerTLS{Cert: p.Certificate.Cert, Key: p.Certificate.Key, Mode: "require"}
		})
		host, port, _ := strings.Cut(w.address(), ":")
		w.letsInWith("secret", "host="+host+" port="+port+" sslmode=require channel_binding=require")
	})
}

// letsInWith logs scrammer in with that password, and not with another.
func (w *world) letsInWith(right, where string) {
	w.t.Helper()
	for password, want := range map[string]string{right: "", "wrong": "28P01"} {
		conn, err := pgx.Connect(bounded(w.t), where+" user=scrammer dbname=app password="+password)
		if err == nil {
			conn.Close(context.Background())
		}
		if got := stateOf(err); got != want {
			w.t.Errorf("%s with password %s: %v", where, password, err)
		}
	}
}

// stateOf is the SQLSTATE of an error, "" for none.
func stateOf(err error) string {
	var said *pgconn.PgError
	switch {
	case errors.As(err, &said):
		return said.Code
	case err != nil:
		return err.Error()
	}
	return ""
}

// TestNoOneWhoIsNotThereLooksOtherwise compares what is seen before any proof.
func TestNoOneWhoIsNotThereLooksOtherwise(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	for _, method := range []string{"password", "md5", "scram-sha-256"} {
		w := startBefore(t, p.Address(), lookup(t, method, "boss", ""))
		if code := w.sqlState("scrammer", "secret"); code != "" {
			t.Fatal(code)
		}
		seen := map[string][]string{}
		for _, name := range []string{"scrammer", "nobody", "expired", "bare", "locked"} {
			for range 2 {
				r := w.plug()
				r.startup("user", name, "database", "app")
				shown := fmt.Sprintf("%T", r.receive())
				if strings.HasSuffix(shown, "SASL") {
					data := "n,,n=,r=abcdefghijkl"
					r.send(&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte(data)})
					challenge := string(r.receive().(*pgproto3.AuthenticationSASLContinue).Data)
					_, salted, _ := strings.Cut(challenge, ",s=")
					salt, iterations, _ := strings.Cut(salted, ",i=")
					seen[name+"'s salt"] = append(seen[name+"'s salt"], salt)
					shown += fmt.Sprint(len(salt), iterations)
				}
				seen[name] = append(seen[name], shown)
				r.conn.Close()
			}
		}
		for name, shown := range seen {
			if strings.HasSuffix(name, "salt") {
				if shown[0] != shown[1] {
					t.Errorf("%s: %s changes", method, name)
				}
			} else if shown[0] != seen["scrammer"][0] || shown[1] != seen["scrammer"][0] {
				t.Errorf("%s: %s is shown %v, scrammer %v", method, name, shown, seen["scrammer"])
			}
		}
	}
}

func TestAChangedPasswordCountsAtOnce(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	for _, method := range []string{"password", "md5"} {
		w := startBefore(t, p.Address(), lookup(t, method, "boss", ""))
		inApp(t, p, "set password_encryption = 'md5'", "alter role hasher password 'secret'")
		if code := w.sqlState("hasher", "secret"); code != "" {
			t.Fatal(code)
		}
		inApp(t, p, "set password_encryption = 'md5'", "alter role hasher password 'changed'")
		if code := w.sqlState("hasher", "changed"); code != "" {
			t.Errorf("%s: with the new password: %s", method, code)
		}
		if code := w.sqlState("hasher", "secret"); code != "28P01" {
			t.Errorf("%s: with the old password: %q", method, code)
		}
	}
}

func TestAChangedVerifierCountsBehindAFailedLogin(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	w := startBefore(t, p.Address(), lookup(t, "scram-sha-256", "boss", ""))
	if code := w.sqlState("scrammer", "secret"); code != "" {
		t.Fatal(code)
	}
	inApp(t, p, "alter role scrammer password 'changed'")
	if code := w.sqlState("scrammer", "changed"); code != "" && code != "28P01" {
		t.Error(code)
	}
	if code := w.sqlState("scrammer", "changed"); code != "" {
		t.Errorf("the second login with the new password: %s", code)
	}
	if code := w.sqlState("scrammer", "secret"); code != "28P01" {
		t.Errorf("with the old password: %q", code)
	}
}

func TestARoleThatIsMadeBehindAFailedLoginIsFound(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	w := startBefore(t, p.Address(), lookup(t, "scram-sha-256", "boss", ""))
	if code := w.sqlState("late", "secret"); code != "28P01" {
		t.Fatal(code)
	}
	inApp(t, p, "create role late login password 'secret'")
	eventually(t, "it gets in", func() bool { return w.sqlState("late", "secret") == "" })
	inApp(t, p, "drop role late")
	eventually(t, "it does no more", func() bool { return w.sqlState("late", "secret") == "28P01" })
}

func TestWhoeverCannotBeLookedUpIsNotToldThatThePasswordIsWrong(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	brief := limits(func(c *config.Pool) { c.QueryWaitTimeout = 2 * time.Second })
	w := startBefore(t, p.Address(), lookup(t, "scram-sha-256", "boss", ""), brief)
	if code := w.sqlState("scrammer", "secret"); code != "" {
		t.Fatal(code)
	}
	if err := p.Stop(bounded(t), lab.Fast); err != nil {
		t.Fatal(err)
	}
	if code := w.sqlState("unexpired", "secret"); code != "57P03" {
		t.Errorf("who has not been looked up yet: %q", code)
	}
	if code := w.sqlState("scrammer", "wrong"); code != "28P01" {
		t.Errorf("who has been, with a wrong password: %q", code)
	}
	if code := w.sqlState("scrammer", "secret"); code != "08006" { // of the wait for a server
		t.Errorf("who has been: %q", code)
	}
}

func TestALoginWaitsForTheDatabaseInWhichItsUserIsLookedUp(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	w := startBefore(t, p.Address(), lookup(t, "scram-sha-256", "boss", ""))
	if err := p.Stop(bounded(t), lab.Fast); err != nil {
		t.Fatal(err)
	}
	done := make(chan string)
	go logInLater(w, done)
	eventually(t, "the login waits", func() bool { return w.process.LoginsInFlight.Load() == 1 && w.log.has("server not opened") })
	if err := p.Start(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != "" {
		t.Errorf("who has waited: %s", code)
	}
}

func logInLater(w *world, done chan<- string) { done <- w.sqlState("unexpired", "secret") }

func TestAQueryThatCannotBeAnsweredIsForTheOperator(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	for _, c := range []struct{ what, asker, query, log string }{
		{"no such table", "boss", "select a, b from nowhere where a = $1", "nowhere"},
		{"no right", "asker", "", "permission denied for table pg_authid"},
		{"one column", "boss", "select rolname from pg_authid where rolname = $1", "has 1 columns"},
		{"no such role", "stranger", "", "does not let query_user in"},
	} {
		w := startBefore(t, p.Address(), lookup(t, "scram-sha-256", c.asker, c.query))
		for range 2 {
			if code := w.sqlState("scrammer", "secret"); code != "F0000" {
				t.Errorf("%s: %q", c.what, code)
			}
		}
		eventually(t, "the log says "+c.log, func() bool { return w.log.has(c.log) && w.log.has(`reason="user lookup failed"`) })
	}
}

// TestDatabasesThatAreNotThereAreNotTold to who has not proved itself.
func TestDatabasesThatAreNotThereAreNotTold(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	w := startBefore(t, p.Address(), lookup(t, "scram-sha-256", "boss", ""), func(c *config.Config) {
		limited := c.Routes[0]
		c.Routes[0].Database, limited.Database = "app", "missing"
		c.Routes = append(c.Routes, limited)
	})
	for _, database := range []string{"missing", "unrouted"} {
		if code := w.sqlState("scrammer", "secret", "dbname="+database); code != "28P01" {
			t.Errorf("%s: %q", database, code)
		}
	}
	eventually(t, "the log says why", func() bool {
		return w.log.has("missing") && w.log.has("does not exist") && w.log.has("there is no route")
	})
	if code := w.sqlState("boss", "asking", "dbname=unrouted"); code != "3D000" {
		t.Errorf("who is in the file: %q", code)
	}
}

func TestUsersOfAllDatabasesMayBeLookedUpInOne(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	w := startBefore(t, p.Address(), lookup(t, "scram-sha-256", "asker", asZalando), func(c *config.Config) { c.Auth.QueryDatabase = "app" })
	for database, want := range map[string]string{"other": "", "app": "", "missing": "3D000"} {
		if code := w.sqlState("scrammer", "secret", "dbname="+database); code != want {
			t.Errorf("%s: %q", database, code)
		}
	}
	if n := w.log.count(`msg="asker opened"`); n != 1 {
		t.Errorf("%d connections to ask by", n)
	}
}

func TestAHashThatIsLookedUpLogsInForWhoIsTrusted(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	w := startBefore(t, p.Address(), lookup(t, "trust", "boss", ""))
	for name, want := range map[string]string{"hasher": "", "scrammer": "28000"} {
		if code := w.sqlState(name, ""); code != want {
			t.Errorf("%s: %q", name, code)
		}
	}
}

// TestTheFunctionOfTheDocsLooksUsersUp runs what docs/login.md tells an operator to.
func TestTheFunctionOfTheDocsLooksUsersUp(t *testing.T) {
	sideBySide(t)
	p := userServer(t)
	page := string(must(os.ReadFile("../docs/login.md"))(t))
	_, sql, _ := strings.Cut(page, "```sql\n")
	sql, _, _ = strings.Cut(sql, "```")
	inApp(t, p, strings.Replace(sql, "'...'", "'asking'", 1))
	_, query, _ := strings.Cut(page, "\nquery = \"")
	query, _, _ = strings.Cut(query, "\"")
	w := startBefore(t, p.Address(), lookup(t, "scram-sha-256", "portero", query), func(c *config.Config) {
		file := c.Auth.Users
		if err := os.WriteFile(file, []byte(user("portero", "asking")), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	for name, want := range map[string]string{"scrammer": "", "unexpired": "", "expired": "28P01", "locked": "28P01", "bare": "28P01", "nobody": "28P01"} {
		if code := w.sqlState(name, "secret"); code != want {
			t.Errorf("%s: %q", name, code)
		}
	}
}
