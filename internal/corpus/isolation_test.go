package corpus

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"portero/internal/lab"
)

// ids is which specs isolationtester cannot run without knowing the sessions' backends: in
// transaction mode Portero tells its clients process ids of its own.
var ids = map[string][]mode{
	"waiting": {transaction},
}

// What isolationtester prints of a spec, sessions side by side, it prints through Portero too.
func TestSpecsOfIsolationtesterGoTheSameThroughPortero(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a PostgreSQL")
	}
	files, err := filepath.Glob(filepath.Join(moduleRoot, isolationDir, "*.spec"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d specs, %v", len(files), err)
	}
	scene := startScene(t, 10)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".spec")
		t.Run(name, func(t *testing.T) {
			scene.t = t
			scene.compareSpec(file, name)
		})
	}
}

const isolationDir = "testdata/isolation"

func (s *scene) compareSpec(file, name string) {
	s.t.Helper()
	spec, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	want := s.isolate(direct, spec, true)
	for _, m := range proxied {
		known := slices.Contains(ids[name], m)
		got := s.isolate(m, spec, !known)
		switch {
		case known && got == want:
			s.t.Errorf("it is the same in %s mode: take it from the list", m)
		case known || got == want:
		default:
			s.t.Errorf("%s mode:\n%s\ndirectly:\n%s", m, got, want)
		}
	}
}

// isolate runs a spec, and returns what isolationtester says. Where it cannot see that a session
// waits, it waits itself: for long only if patient.
func (s *scene) isolate(m mode, spec []byte, patient bool) string {
	s.t.Helper()
	s.clear()
	bin, err := lab.PostgresBin()
	if err != nil {
		s.t.Fatal(err)
	}
	program := filepath.Join(filepath.Dir(bin), "lib/pgxs/src/test/isolation/isolationtester")
	if _, err := os.Stat(program); err != nil {
		s.t.Fatalf("isolationtester, which comes with Debian's postgresql-client: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience)
	defer cancel()
	host, port, _ := strings.Cut(s.addresses[m], ":")
	cmd := exec.CommandContext(ctx, program, fmt.Sprintf("host=%s port=%s user=postgres dbname=%s sslmode=disable", host, port, database))
	limit := lab.Patience
	if !patient {
		limit = 2 * time.Second
	}
	cmd.Env = append(os.Environ(), fmt.Sprintf("PGISOLATIONTIMEOUT=%d", int(limit.Seconds())))
	cmd.Stdin = bytes.NewReader(spec)
	out, err := cmd.CombinedOutput()
	if err != nil {
		if m == direct {
			s.t.Fatalf("%v\n%s", err, out)
		}
		out = fmt.Appendf(out, "%v\n", err)
	}
	return string(out)
}
