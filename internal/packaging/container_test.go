package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"portero/internal/lab"
)

// nobody is the user of the container.
const nobody = 65532

// As in the container: nothing is there but the program, not even /proc, and nothing may be
// written.
func TestTheProgramServesWhereThereIsNothingElse(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	text, err := os.ReadFile(filepath.Join(folder(t), "root/usr/bin/portero"))
	if err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	if err := os.WriteFile(filepath.Join(empty, "portero"), text, 0o555); err != nil {
		t.Fatal(err)
	}
	address := lab.AddressForTest(t)
	var log strings.Builder
	program := exec.Command("/portero", "serve")
	program.Env = []string{"PORTERO_LISTEN=" + address, "PORTERO_HOSTS=" + postgres.Address(), "PORTERO_AUTH_METHOD=trust", "PORTERO_ADMIN_ADDRESS=" + lab.AddressForTest(t)}
	program.Dir, program.Stderr = "/", &log
	program.SysProcAttr = &syscall.SysProcAttr{Chroot: empty, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, "be served", func() error {
		c, err := lab.Dial(t.Context(), fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", address))
		if err == nil {
			c.HangUp()
		}
		return err
	})
	program.Process.Signal(syscall.SIGTERM) //nolint:errcheck // the next line says it
	if err := program.Wait(); err != nil || !strings.Contains(log.String(), "msg=stopped") || strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("%v\n%s", err, log.String())
	}
}
