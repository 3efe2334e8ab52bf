package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

const remedy = "run `make test`, which installs what the tests need"

// findServer finds a server's program by name.
func findServer(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not installed: %s", name, remedy)
	}
	return path, nil
}

// findDaemon also looks where Debian puts daemons, which an ordinary user's PATH leaves out.
func findDaemon(name string) (string, error) {
	if path, err := exec.LookPath("/usr/sbin/" + name); err == nil {
		return path, nil
	}
	return findServer(name)
}

// findPatroni finds Patroni, and what it silently waits for when etcd speaks TLS.
func findPatroni(tls bool) (string, error) {
	if tls && exec.Command("python3", "-c", "import idna").Run() != nil {
		return "", fmt.Errorf("python3-idna is not installed: %s", remedy)
	}
	return findServer("patroni")
}

// postgresBin is the directory of PostgreSQL's programs: the newest version that Debian has
// installed, else where initdb on the PATH really is.
func postgresBin() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	best, newest := "", 0
	for _, dir := range dirs {
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil || version <= newest {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			best, newest = dir, version
		}
	}
	if best != "" {
		return best, nil
	}
	path, err := findServer("initdb")
	if err != nil {
		return "", fmt.Errorf("postgresql is not installed: %s", remedy)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Dir(real), nil
}

// PostgresBin is the directory of PostgreSQL's programs (psql, pgbench, postgres).
func PostgresBin() (string, error) { return postgresBin() }
