package corpus

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"portero/internal/lab"
)

// The column of PgBouncer in docs/compatibility.md rests on what this tells of a PgBouncer in
// transaction mode. scripts/pgbouncer bin/newer brings one, and it is run by hand:
//
//	go test ./internal/corpus -run '^$' -bench PgBouncer -benchtime 1x -pgbouncer $PWD/bin/newer/pgbouncer
//
// It prints the lines of the page, each with its scripts in which something differs, and which
// statements those are, by the simple and by the extended protocol; then what is otherwise in
// conversations about prepared statements.
var bouncer = flag.String("pgbouncer", "", "the program for the benchmark PgBouncer")

// pgbouncer is a mode of which nothing is listed.
const pgbouncer mode = "pgbouncer"

func BenchmarkPgBouncer(b *testing.B) {
	if *bouncer == "" {
		b.Fatal("which? -pgbouncer tells")
	}
	b.Run("scripts", func(b *testing.B) { startScene(b, 2).printScripts() })
	b.Run("statements", func(b *testing.B) { startScene(b, 2).printConversations() })
}

// printScripts prints how many statements of the corpus differ, and which.
func (s *scene) printScripts() {
	found, scripts := make(map[place][]string), loadScripts(s.t)
	for _, how := range []protocol{simple, extended} {
		all, differ, in := 0, 0, 0
		for _, script := range scripts {
			list := s.bounced(script, how)
			found[place{script.name, pgbouncer, how}] = list
			all, differ = all+len(script.statements), differ+len(list)
			if len(list) > 0 {
				in++
			}
		}
		fmt.Printf("%s: %d of %d statements in %d of %d scripts differ\n", how, differ, all, in, len(scripts))
	}
	printByLine(s.t, found)
}

// bounced is which statements of a script differ behind a PgBouncer of its own.
func (s *scene) bounced(script *script, how protocol) []string {
	want := s.play(script, how, direct, 0)
	defer s.startPgBouncer()()
	got := s.play(script, how, pgbouncer, len(want.notifications()))
	return differing(want, got, pgbouncer)
}

// startPgBouncer starts one before the scene's server, and returns what ends it.
func (s *scene) startPgBouncer() (stop func()) {
	s.t.Helper()
	dir, err := os.MkdirTemp("", "portero-pgbouncer-")
	if err != nil {
		s.t.Fatal(err)
	}
	s.addresses[pgbouncer] = lab.AddressForTest(s.t)
	_, port, _ := strings.Cut(s.addresses[pgbouncer], ":")
	_, behind, _ := strings.Cut(s.addresses[direct], ":")
	ini, users := filepath.Join(dir, "pgbouncer.ini"), filepath.Join(dir, "users.txt")
	args := []string{"-q", ini}
	if os.Geteuid() == 0 {
		args = []string{"-q", "-u", "postgres", ini}
	}
	cmd := exec.Command(*bouncer, args...)
	for _, err := range []error{
		os.Chmod(dir, 0o755), // it reads it as another user
		os.WriteFile(ini, fmt.Appendf(nil, bouncerConfig, behind, port, users), 0o644),
		os.WriteFile(users, []byte("\"app\" \"\"\n\"postgres\" \"\"\n"), 0o644),
		cmd.Start(),
	} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	lab.Eventually(s.t, "reach PgBouncer", func() error {
		c, _, err := connect(s.addresses[pgbouncer], "app", nil)
		if err == nil {
			c.close()
		}
		return err
	})
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		_ = os.RemoveAll(dir)
	}
}

const bouncerConfig = `
[databases]
* = host=127.0.0.1 port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = 2
max_prepared_statements = 200
`

// printByLine prints what was found beside the lines of the page that name the scripts.
func printByLine(t testing.TB, found map[place][]string) {
	text, err := os.ReadFile(filepath.Join(moduleRoot, compatibilityPage))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || !strings.HasPrefix(line, "|") {
			continue
		}
		fmt.Printf("%s |%s\n", cells[0], cells[2])
		for _, n := range quotedWord.FindAllStringSubmatch(cells[3], -1) {
			s, isScript := found[place{n[1], pgbouncer, simple}]
			e := found[place{n[1], pgbouncer, extended}]
			if isScript {
				fmt.Printf("    %s: simple %s, extended %s\n", n[1], cmp.Or(join(s), "none"), cmp.Or(join(e), "none"))
			}
		}
	}
}
