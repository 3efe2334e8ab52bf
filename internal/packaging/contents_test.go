package packaging

import (
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// onlyOnce is the package of version 1.0 that the tests share, and what is in it.
var onlyOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "portero-package-")
	if err != nil {
		return "", err
	}
	path, err := build(dir, "1.0")
	if err != nil {
		return dir, err
	}
	return dir, errors.Join(run("dpkg-deb", "--extract", path, filepath.Join(dir, "root")), os.Rename(path, filepath.Join(dir, "package.deb")))
})

func TestMain(m *testing.M) {
	status := m.Run()
	if dir, _ := onlyOnce(); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(status)
}

// folder has package.deb, and in root what is in it.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := onlyOnce()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs a program that is to say nothing.
func run(args ...string) error {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err == nil && len(out) > 0 {
		err = errors.New("it is not content")
	}
	if err != nil {
		return errors.Join(err, errors.New(strings.Join(args, " ")+": "+string(out)))
	}
	return nil
}

func TestTheProgramNeedsNoInterpreterAndNoLibrary(t *testing.T) {
	program, err := elf.Open(filepath.Join(folder(t), "root/usr/bin/portero"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it has a segment %s", p.Type)
		}
	}
}

// components is the part of a CycloneDX list that is compared.
type components struct {
	Metadata   struct{ Component struct{ Version string } }
	Components []struct {
		Name, Version, Purl string
		Licenses            []struct{ License struct{ ID string } }
	}
}

func TestTheListOfModulesIsThatOfTheProgram(t *testing.T) {
	info, err := buildinfo.ReadFile(filepath.Join(folder(t), "root/usr/bin/portero"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder(t), "root/usr/share/doc/portero/portero.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list components
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	want := []string{"pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go")}
	for _, d := range info.Deps {
		want = append(want, "pkg:golang/"+d.Path+"@"+d.Version)
	}
	var got []string
	for _, c := range list.Components {
		got = append(got, c.Purl)
		if len(c.Licenses) == 0 || c.Licenses[0].License.ID == "" {
			t.Errorf("%s has no license", c.Name)
		}
	}
	if slices.Sort(want); len(info.Deps) < 10 || !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("it lists %s, want %s", got, want)
	}
	if list.Metadata.Component.Version != "1.0" {
		t.Errorf("version %q", list.Metadata.Component.Version)
	}
}

func TestLintianHasNothingToSay(t *testing.T) {
	if err := run("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", filepath.Join(folder(t), "package.deb")); err != nil {
		t.Error(err)
	}
}

// A copy of the source at another place gives the same bytes.
func TestThePackageIsReproducible(t *testing.T) {
	dir := folder(t)
	elsewhere := filepath.Join(t.TempDir(), "else", "where")
	const copySource = `mkdir -p "$1" && git -C "$0" ls-files -z --cached --others --exclude-standard | tar -C "$0" --null --ignore-failed-read --files-from=- -c | tar -C "$1" --touch -x`
	if err := run("bash", "-c", copySource, root, elsewhere); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(elsewhere, "packaging/build"), elsewhere)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "GOFLAGS=") }),
		"VERSION=1.0", "SOURCE_DATE_EPOCH=1700000000", "TZ=Asia/Tokyo", "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := run("cmp", filepath.Join(dir, "package.deb"), filepath.Join(elsewhere, "portero_1.0_"+goarch(t)+".deb")); err != nil {
		t.Error(err)
	}
}

func goarch(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOARCH").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
