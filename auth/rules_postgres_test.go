package auth

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"portero/internal/lab"
)

// TestRulesAgainstPostgreSQL asks a server what it reads in the same files.
func TestRulesAgainstPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	p := lab.PostgresForTest(t, lab.PostgresOptions{TLS: true, SQL: []string{
		"create database ascii encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0",
	}})
	t.Run("lines are read as PostgreSQL reads them", func(t *testing.T) { testLines(t, p) })
	t.Run("patterns match as PostgreSQL's match", func(t *testing.T) { testPatterns(t, p) })
}

func connect(t *testing.T, p *lab.Postgres, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.SuperuserDSN(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// hbaLines are read alike, but for those with a remark: "stricter" is a fault
// here and a rule in PostgreSQL, or a fault in other words.
var hbaLines = strings.Split(`local all all trust
local all all peer map=m
local "all" all md5
local all,"all",sameuser alice,bob reject
local a, b c trust
local a ,b trust
local ,,a,, b,, trust
local a"b c" "d""e" trust
local "" all trust
local """" all trust
local ""all all trust
local a#b all trust
local all all trust # comment
host all all all trust
host all all samehost trust
host all all samenet trust
host all all 10.0.0.0/8 scram-sha-256
host all all 10.0.0.5 255.255.0.255 password
host all all ::1/128 md5
host all all fe80::1 ffff:: md5
host replication all 127.0.0.1/32 trust
hostssl all all 0.0.0.0/0 cert
hostssl all all all cert clientcert=verify-full clientname=CN map=m
hostssl all all all md5 clientcert=verify-ca
hostnossl all all all md5
"local" all all "trust"
host all
host
host all all
host all all 1.2.3.4
host all all 1.2.3.4 ffff:: trust
host all all 1.2.3.4 md5	stricter
host all all 1.2.3.4/33 md5
host all all 1.2.3.4/ md5
host all all 1.2.3.4/x md5
host all all ::1/129 md5
host all all all
host,local all all all md5
host all all 1.2.3.4/32,1.2.3.5/32 md5
host all all 1.2.3.4 255.0.0.0,255.0.0.0 md5
host all all all md5,trust
hosts all all all md5
Local all all trust
local all all Trust
local all all nonsense
local all all trust nonsense
local all all trust colour=red
host all all all peer
host all all all cert
local all all cert
local all all md5 clientcert=verify-ca
host all all all md5 clientname=CN
hostssl all all all cert clientcert=verify-ca
local all all md5 map=m	stricter
hostssl all all all md5 clientcert=1	stricter
hostssl all all all md5 clientname=XY	stricter
local all +staff trust	stricter
local samerole all trust	stricter
host all all localhost md5	stricter
host all all "all" md5	stricter
host all all 127.1/32 md5	stricter
local all all ident	stricter
host all all all ident	stricter
host all all all radius radiusservers=127.0.0.1 radiussecrets=x	stricter
hostssl all all all cert clientname=DN	stricter
local "open all trust	stricter`, "\n")

// readLine is what a line says, or what is wrong with it.
type readLine struct {
	link, databases, users, address, mask, method, fault string
}

func testLines(t *testing.T, p *lab.Postgres) {
	var text strings.Builder
	for _, line := range hbaLines {
		line, _, _ = strings.Cut(line, "\tstricter")
		text.WriteString(line + "\n")
	}
	if err := os.WriteFile(filepath.Join(p.DataDir, "pg_hba.conf"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	theirs := theirLines(t, connect(t, p, "postgres"))
	for i, line := range hbaLines {
		line, _, stricter := strings.Cut(line, "\tstricter")
		got, want := ourLine(line), theirs[i+1]
		if stricter != (got != want) {
			t.Errorf("%s\nhere       %+v\nPostgreSQL %+v", line, got, want)
		}
		if stricter && got.fault == "" {
			t.Errorf("%s: is read here, %+v", line, got)
		}
	}
}

func theirLines(t *testing.T, conn *pgx.Conn) map[int]readLine {
	rows, err := conn.Query(t.Context(), `select line_number, coalesce(type, ''), coalesce(array_to_string(database, '|'), ''),
		coalesce(array_to_string(user_name, '|'), ''), coalesce(address, ''), coalesce(netmask, ''), coalesce(auth_method, ''),
		coalesce(error, '') from pg_hba_file_rules`)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[int]readLine)
	for rows.Next() {
		var n int
		var l readLine
		if err := rows.Scan(&n, &l.link, &l.databases, &l.users, &l.address, &l.mask, &l.method, &l.fault); err != nil {
			t.Fatal(err)
		}
		all[n] = l
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func ourLine(line string) (l readLine) {
	rules, faults := readHBA(line, nil)
	if len(faults) > 0 {
		_, l.fault, _ = strings.Cut(faults[0], ": ")
		return l
	}
	r := rules[0]
	join := func(list names) string {
		var all []string
		for _, n := range list {
			all = append(all, n.text)
		}
		return strings.Join(all, "|")
	}
	l = readLine{
		link:      map[link]string{linkLocal: "local", linkHost: "host", linkHostSSL: "hostssl", linkHostNoSSL: "hostnossl"}[r.link],
		databases: join(r.databases), users: join(r.users),
	}
	for word, m := range methods {
		if m == r.method {
			l.method = word
		}
	}
	switch {
	case r.link == linkLocal:
	case r.from.kind == oneNetwork:
		l.address, l.mask = r.from.network.address.String(), r.from.network.mask.String()
	default:
		l.address = map[addressKind]string{anyAddress: "all", sameHost: "samehost", sameNet: "samenet"}[r.from.kind]
	}
	return l
}

// testPatterns compares patterns of our subset, made by chance but the same
// each time, on names of few letters.
func testPatterns(t *testing.T, p *lab.Postgres) {
	conn := connect(t, p, "ascii")
	r := rand.New(rand.NewPCG(1, 2))
	patterns := []string{`^(.*)@mydomain\.com$`, `^CN=([^,]+),`, `/`, ``, `a|`, `()`, `^$`, `[]a]`, `[^]a]`, `[a-]`, `\w+\W`, `[\w\-]`, `é`, `[é]`, `^.$`, `\s`, `a{2,}`}
	for len(patterns) < 1200 {
		patterns = append(patterns, oddPattern(r, 3))
	}
	for len(patterns) < 1600 {
		patterns = append(patterns, looseRun(r)+"("+looseRun(r)+")"+looseRun(r))
	}
	var matched, captured, refused int
	for _, text := range patterns {
		ours, err := newPattern(text)
		if err != nil {
			refused++
			continue
		}
		for range 12 {
			name := oddName(r)
			theirs, err := theirMatch(t, conn, name, text)
			if err != nil {
				t.Errorf("%q is accepted, and by PostgreSQL not: %v", text, err)
				break
			}
			if ours.matches(name) != (theirs != nil) {
				t.Errorf("%q on %q: %v, PostgreSQL: %q", text, name, ours.matches(name), theirs)
			}
			if theirs == nil {
				continue
			}
			matched++
			if captures(text) != nil {
				continue
			}
			captured++
			if part, ok := ours.capture(name); !ok || part != theirs[0] {
				t.Errorf("%q on %q: the group is %q, in PostgreSQL %q", text, name, part, theirs)
			}
		}
	}
	if matched < 3000 || captured < 300 || refused < 10 {
		t.Errorf("%d matches, %d groups, %d refused: the patterns are too much alike", matched, captured, refused)
	}
}

// theirMatch is nil if the pattern does not match, else its groups, or all of
// the match if it has none.
func theirMatch(t *testing.T, conn *pgx.Conn, name, text string) (groups []string, err error) {
	t.Helper()
	var all []*string
	if err := conn.QueryRow(t.Context(), "select regexp_match($1, $2)", name, text).Scan(&all); err != nil {
		return nil, err
	}
	for _, g := range all {
		if g == nil {
			g = new(string)
		}
		groups = append(groups, *g)
	}
	return groups, nil
}

var nameParts = []string{"a", "b", "ab", "aab", "-", "@", ".", "1", "_", " ", "é", "A", "\v", "\n", "]"}

func oddName(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(7) {
		b.WriteString(nameParts[r.IntN(len(nameParts))])
	}
	return b.String()
}

// looseRun is atoms that often match, without a group.
func looseRun(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(4) {
		b.WriteString([]string{"a", "b", ".", "[ab]", `\w`, "[^@]", "@", `\S`}[r.IntN(8)])
		b.WriteString([]string{"", "*", "*", "+", "?", "{0,2}", "{1,}"}[r.IntN(7)])
	}
	return b.String()
}

// oddPattern mixes what regular expressions are made of.
func oddPattern(r *rand.Rand, depth int) string {
	atoms := []string{"a", "b", ".", "a", "b", "[ab]", "[^a]", "[[:alpha:]_]", `\w`, `\d`, `\s`, `\W`, `\S`, `\D`, `\.`, `[\w.-]`, "-", "@", "é", "]", "}", `\]`, `\d`, "[[:punct:]]", `[\s@]`, `\_`}
	if r.IntN(40) == 0 {
		atoms = []string{"(?i)", `\b`, `\y`, "[[=a=]]", "[[.-.]]", `\1`, "{", "**", "a+?", "^*", `\Q`, "[[:word:]]", `\x41`, ")", "[b-a]", `\`}
	}
	var b strings.Builder
	if r.IntN(3) == 0 {
		b.WriteString("^")
	}
	for range 1 + r.IntN(4) {
		switch n := r.IntN(9); {
		case n == 0 && depth > 0:
			b.WriteString("(" + oddPattern(r, depth-1) + ")")
		case n == 1 && depth > 0:
			b.WriteString("(?:" + oddPattern(r, depth-1) + ")")
		default:
			b.WriteString(atoms[r.IntN(len(atoms))])
		}
		b.WriteString([]string{"", "", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,}"}[r.IntN(10)])
	}
	if r.IntN(6) == 0 && depth > 0 {
		b.WriteString("|" + oddPattern(r, depth-1))
	}
	if r.IntN(3) == 0 {
		b.WriteString("$")
	}
	return b.String()
}

func TestPatternsThatPostgreSQLReadsOtherwiseAreFaults(t *testing.T) {
	for _, text := range []string{
		`(?i)a`, `(?=a)`, `(?<n>a)`, `(?P<n>a)`, `a*?`, `a??`, `a{1}?`, `a{`, `{`, `a{x}`, `^*`, `$+`, `^{2}`, `***=a`,
		`\b`, `\B`, `\y`, `\m`, `\A`, `\Z`, `\z`, `\1`, `\Qa`, `\pL`, `\x41`, `\n`, `\é`, `\`, `[\`, `[\D]`, `[\S]`, `[`, `[]`,
		`[[.a.]]`, `[[=a=]]`, `[[:<:]]`, `[[:word:]]`, `[[:ascii:]]`, `[a[b]`, `a**`, `*`, `(`, `)`, `[b-a]`,
	} {
		if _, err := newPattern(text); err == nil {
			t.Errorf("%s is accepted", text)
		} else if !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestOddPatternsAreOfAllKinds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var all []string
	for range 1200 {
		all = append(all, oddPattern(r, 3))
	}
	for _, part := range []string{"(", "(?:", "|", "^", "$", "*", "{1,2}", "[", `\w`, "é", `\1`, ")*"} {
		if !slices.ContainsFunc(all, func(p string) bool { return strings.Contains(p, part) }) {
			t.Errorf("none has %s", part)
		}
	}
}

// FuzzPattern asserts that no pattern, and no name, makes us panic.
func FuzzPattern(f *testing.F) {
	for _, text := range []string{`^(.*)@mydomain\.com$`, `[[:alpha:]\w-]{2,3}`, `(?:a|b)*`, `[]\]]`, "é\xff[^", `\(([(|])\)`} {
		f.Add(text, "app@mydomain.com")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := newPattern(text)
		if err != nil {
			return
		}
		matches := p.matches(name)
		if captures(text) != nil {
			return
		}
		if part, ok := p.capture(name); ok != matches || !strings.Contains(name, part) {
			t.Errorf("%q on %q: %v, group %q, %v", text, name, matches, part, ok)
		}
	})
}
