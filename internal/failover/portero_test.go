package failover

import (
	"os/exec"
	"path/filepath"
	"testing"

	"portero/internal/lab"
)

const routes = `
[log]
connections = false

[[route]]
database = "app"
cluster = "main"
pool_size = 5

[[route]]
database = "reader"
dbname = "app"
cluster = "main"
role = "replica"
pool_size = 2

[[route]]
database = "replication"
cluster = "main"
server_user = "replicator"

[[route]]
database = "copies"
cluster = "main"
role = "replica"
server_user = "replicator"
`

// buildPortero compiles the program that is tested.
func buildPortero(t testing.TB) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "portero")
	args := append([]string{"build", "-o", binary}, buildFlags...)
	out, err := exec.CommandContext(t.Context(), "go", append(args, "portero/cmd/portero")...).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

func startPortero(t testing.TB, etcd []string) *lab.Portero {
	t.Helper()
	return lab.ServingForTest(t, lab.PorteroOptions{Program: buildPortero(t), Config: lab.PatroniConfig(etcd) + routes})
}

func (s *scene) dsn(database string) string { return s.portero.DSN("app", "app", database) }

func (s *scene) dial(t *testing.T) *lab.Client {
	t.Helper()
	return lab.ClientForTest(t, s.dsn("app"))
}
