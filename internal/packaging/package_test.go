package packaging

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is the folder of the project.
const root = "../.."

// build builds the package of a version that is not this source's, into a folder, and returns
// its path.
func build(dir, version string) (string, error) {
	cmd := exec.Command(filepath.Join(root, "packaging/build"), dir)
	cmd.Env = append(cmd.Environ(), "VERSION="+version, "SOURCE_DATE_EPOCH=1700000000")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("packaging/build: %w: %s", err, said.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// built is a package, when it is there.
type built chan result

type result struct {
	path string
	err  error
}

// buildAll builds packages one after the other, while a test does other things.
func buildAll(dir string, versions ...string) map[string]built {
	all := make(map[string]built)
	for _, v := range versions {
		all[v] = make(built, 1)
	}
	go func() {
		for _, v := range versions {
			path, err := build(dir, v)
			all[v] <- result{path, err}
		}
	}()
	return all
}

func (b built) wait(t *testing.T) string {
	t.Helper()
	r := <-b
	if r.err != nil {
		t.Fatal(r.err)
	}
	b <- r // for who asks next
	return r.path
}
