package auth

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portero/internal/lab"
	"portero/wire"
)

// TestAgainstPostgreSQL shares one server between its parts. The password of
// all roles is pencil; each role is named for its method in pg_hba.conf.
func TestAgainstPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	p := lab.PostgresForTest(t, lab.PostgresOptions{
		TLS: true,
		HBA: []string{
			"host all trust 127.0.0.1/32 trust",
			"host all password 127.0.0.1/32 password",
			"host all md5 127.0.0.1/32 md5",
			"host all md5scram 127.0.0.1/32 md5",
			"host all scram 127.0.0.1/32 scram-sha-256",
			"host all rejected 127.0.0.1/32 reject",
		},
		SQL: []string{
			"create role trust login", "create role rejected login",
			"set password_encryption = 'md5'",
			"create role md5 login password 'pencil'", "create role password login password 'pencil'",
			"set password_encryption = 'scram-sha-256'",
			"create role md5scram login password 'pencil'", "create role scram login password 'pencil'",
			"create role prep",
		},
	})
	t.Run("each method lets us in with the right secret only", func(t *testing.T) { testMethods(t, p) })
	t.Run("refusals keep their SQLSTATE", func(t *testing.T) { testRefusals(t, p) })
	t.Run("SCRAM is bound to the server's certificate", func(t *testing.T) { testBinding(t, p) })
	t.Run("a captured ClientKey logs in to the server", func(t *testing.T) { testPassThrough(t, p) })
	t.Run("passwords are prepared as PostgreSQL prepares them", func(t *testing.T) { testPreparation(t, p) })
}

// dial returns a stream to the server, deadline set, and the hash of its
// certificate if by TLS. What we send is in the tap.
func dial(t *testing.T, p *lab.Postgres, withTLS bool) (*wire.Stream, *tap, []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	seen := &tap{ReadWriter: conn}
	if !withTLS {
		return wire.NewStream(seen), seen, nil
	}
	answer := make([]byte, 1)
	_, werr := conn.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f})
	if _, err := io.ReadFull(conn, answer); err != nil || werr != nil || answer[0] != 'S' {
		t.Fatal(answer, err, werr)
	}
	secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	if err := secured.Handshake(); err != nil {
		t.Fatal(err)
	}
	seen.ReadWriter = secured
	return wire.NewStream(seen), seen, TLSServerEndPoint(secured.ConnectionState().PeerCertificates[0])
}

func logIn(t *testing.T, p *lab.Postgres, user string, c Credentials) (LoginResult, error) {
	t.Helper()
	s, _, _ := dial(t, p, false)
	return Login(s, LoginParams{
		User: user, Database: "postgres", Credentials: c,
		Parameters: []wire.Parameter{{Name: "application_name", Value: "portero"}},
	})
}

func testMethods(t *testing.T, p *lab.Postgres) {
	pencil := Password("pencil")
	md5ed := Credentials{kind: secretMD5, secret: md5Secret("md5", "pencil")}
	for _, c := range []struct {
		user  string
		creds Credentials
		want  error // ErrNoSecret, or nil
	}{
		{"trust", Credentials{}, nil},
		{"trust", pencil, nil},
		{"password", pencil, nil},
		{"password", md5ed, ErrNoSecret},
		{"password", Credentials{}, ErrNoSecret},
		{"md5", pencil, nil},
		{"md5", md5ed, nil},
		{"md5", Credentials{}, ErrNoSecret},
		{"md5scram", pencil, nil},
		{"md5scram", md5ed, ErrNoSecret},
		{"scram", pencil, nil},
		{"scram", md5ed, ErrNoSecret},
		{"scram", Credentials{}, ErrNoSecret},
	} {
		r, err := logIn(t, p, c.user, c.creds)
		if !errors.Is(err, c.want) || (err != nil) != (c.want != nil) {
			t.Errorf("%s with %v: %v, want %v", c.user, c.creds, err, c.want)
		}
		if err == nil {
			mustBeReady(t, r)
		}
	}
	for _, user := range []string{"password", "md5", "md5scram", "scram", "unknown"} {
		_, err := logIn(t, p, user, Password("wrong"))
		want := fmt.Sprintf(`FATAL: password authentication failed for user "%s" (SQLSTATE 28P01)`, user)
		if user == "unknown" { // the lab trusts whom no line names
			want = `FATAL: role "unknown" does not exist (SQLSTATE 28000)`
		}
		var e *wire.Error
		if !errors.As(err, &e) || err.Error() != want {
			t.Errorf("%s with a wrong password: %v", user, err)
		}
	}
}

func mustBeReady(t *testing.T, r LoginResult) {
	t.Helper()
	if r.Parameters["in_hot_standby"] != "off" || r.Parameters["application_name"] != "portero" || r.Parameters["server_version"] == "" {
		t.Errorf("parameters %v", r.Parameters)
	}
	if r.PID == 0 || len(r.SecretKey) != 4 || r.Status != 'I' {
		t.Errorf("PID %d, %d bytes of key, status %q", r.PID, len(r.SecretKey), r.Status)
	}
}

func testRefusals(t *testing.T, p *lab.Postgres) {
	for _, c := range []struct {
		params LoginParams
		code   string
	}{
		{LoginParams{User: "trust", Database: "absent"}, wire.UndefinedDatabase},
		{LoginParams{User: "rejected", Database: "postgres"}, wire.InvalidAuthorization},
		{LoginParams{User: "trust", Database: "postgres", Parameters: []wire.Parameter{{Name: "work_mem", Value: "much"}}}, wire.InvalidParameterValue},
	} {
		s, _, _ := dial(t, p, false)
		if _, err := Login(s, c.params); code(err) != c.code {
			t.Errorf("%v: want %s", err, c.code)
		}
	}
}

func testBinding(t *testing.T, p *lab.Postgres) {
	v := verifierOf(t, p, "scram")
	k := deriveKeys("pencil", v.salt, v.iterations)
	for _, c := range []Credentials{Password("pencil"), {kind: secretKeys, verifier: v, clientKey: k.client}} {
		s, seen, hash := dial(t, p, true)
		if hash == nil {
			t.Fatal("no hash of the server's certificate")
		}
		params := LoginParams{User: "scram", Database: "postgres", Credentials: c, TLSServerEndPoint: hash}
		if _, err := Login(s, params); err != nil || !bytes.Contains(seen.out, []byte(mechanismPlus)) {
			t.Errorf("%v: %v; sent %q", c, err, seen.out)
		}

		s, _, _ = dial(t, p, true)
		params.TLSServerEndPoint = make([]byte, len(hash))
		if _, err := Login(s, params); code(err) != "28000" {
			t.Errorf("%v, bound to another certificate: %v", c, err)
		}

		s, seen, _ = dial(t, p, true)
		params.TLSServerEndPoint = nil
		if _, err := Login(s, params); err != nil || bytes.Contains(seen.out, []byte(mechanismPlus)) {
			t.Errorf("%v, not bound: %v", c, err)
		}

		s, _, _ = dial(t, p, false)
		params.TLSServerEndPoint = hash // without TLS the server does not offer PLUS, and our "y" is true
		if _, err := Login(s, params); err != nil {
			t.Errorf("%v, not offered: %v", c, err)
		}
	}
}

// testPassThrough copies the server's verifier into a user file, has drivers
// log in to us with the password, and us to the server with what they proved.
func testPassThrough(t *testing.T, p *lab.Postgres) {
	secret := ask(t, p, "select rolpassword from pg_authid where rolname = 'scram'")
	for _, method := range []string{"scram-sha-256", "md5"} {
		port, results := openDoor(t, newDoor(t, method, `"scram" "`+secret+`"`), nil)
		for _, d := range drivers(t) {
			if err := d.connect(t.Context(), port, "scram", "pencil", "sslmode=disable"); err != nil {
				t.Fatalf("%s, %s: %v", method, d.name, err)
			}
			got := <-results
			if got.err != nil || got.creds.kind != secretKeys {
				t.Fatalf("%s, %s: %v, %v", method, d.name, got.creds, got.err)
			}
			r, err := logIn(t, p, "scram", got.creds)
			if err != nil {
				t.Fatalf("%s, %s: %v", method, d.name, err)
			}
			mustBeReady(t, r)
			if _, err := logIn(t, p, "md5scram", got.creds); !errors.Is(err, ErrVerifierDiffers) {
				t.Errorf("another role, another verifier: %v", err)
			}
			if _, err := logIn(t, p, "password", got.creds); !errors.Is(err, ErrNoSecret) {
				t.Errorf("a server that asks for the password: %v", err)
			}
		}
	}
	u, err := readUsers(t, `"scram" "`+secret+`"`)
	if err != nil {
		t.Fatal(err)
	}
	alone, _ := u.Lookup("scram")
	if _, err := logIn(t, p, "scram", alone); !errors.Is(err, ErrNoSecret) {
		t.Errorf("the verifier alone: %v", err)
	}
}

// testPreparation has PostgreSQL make verifiers of odd passwords and compares
// them with ours.
func testPreparation(t *testing.T, p *lab.Postgres) {
	passwords := []string{
		"pencil", "I\u00adX", "\u00aa", "\u2168", "\u0627\u0031", "\u0627\u0031\u0628", "\u0627a\u0628",
		"a\u00a0b\u3000c", "a\u200bb", "caf\u0065\u0301", "\ufb01n", "\u00e9\u0221", "e\u0301\U0001f600", "e\u0301\u0007", "\u00ad", "\u2126\u1e9b\u0323",
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		passwords = append(passwords, oddPassword(r))
	}
	conn, err := pgx.Connect(t.Context(), p.SuperuserDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, password := range passwords {
		set := "alter role prep password '" + strings.ReplaceAll(password, "'", "''") + "'"
		if _, err := conn.Exec(t.Context(), set, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		var secret string
		if err := conn.QueryRow(t.Context(), "select rolpassword from pg_authid where rolname = 'prep'").Scan(&secret); err != nil {
			t.Fatal(err)
		}
		v, err := parseVerifier(secret)
		if err != nil {
			t.Fatal(err)
		}
		if deriveKeys(password, v.salt, v.iterations).stored != v.storedKey {
			t.Errorf("%+q: the server has another verifier", password)
		}
	}
}

// oddPassword mixes characters that the steps of SASLprep tell apart.
func oddPassword(r *rand.Rand) string {
	tables := [][]rune{prepSpace, prepNothing, prepForbidden, prepRightToLeft, prepLeftToRight, {0x300, 0x34e, 0x1100, 0x11ff, 0xac00, 0xd7a3}, {0x21, 0x7e}}
	var out []rune
	for range 1 + r.IntN(4) {
		table := tables[r.IntN(len(tables))]
		i := r.IntN(len(table)/2) * 2
		c := table[i] + r.Int32N(table[i+1]-table[i]+1)
		if c != 0 && (c < 0xd800 || c > 0xdfff) && c != '\\' {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return "x"
	}
	return string(out)
}

func verifierOf(t *testing.T, p *lab.Postgres, role string) verifier {
	t.Helper()
	v, err := parseVerifier(ask(t, p, "select rolpassword from pg_authid where rolname = '"+role+"'"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func ask(t *testing.T, p *lab.Postgres, query string) (value string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.SuperuserDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), query).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestOddPasswordsReachBothSidesOfSASLprep(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var changed []bool
	for range 300 {
		password := oddPassword(r)
		changed = append(changed, saslPrep(password) != password)
	}
	if !slices.Contains(changed, true) || !slices.Contains(changed, false) {
		t.Error("all odd passwords are prepared alike")
	}
}
