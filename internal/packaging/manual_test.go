package packaging

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	ofCommand = regexp.MustCompile(`(?m)^  portero ([a-z]+)`)
	ofFlag    = regexp.MustCompile(`(?m)^  -([a-z-]+)`)
)

// What the program says of itself, the manual page has too.
func TestTheManualHasEveryCommandAndFlag(t *testing.T) {
	program := filepath.Join(folder(t), "root/usr/bin/portero")
	manual, err := exec.Command("man", "--local-file", filepath.Join(root, "packaging/man/portero.1")).Output()
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(manual)), " ")
	usage, err := exec.Command(program, "help").Output()
	if err != nil {
		t.Fatal(err)
	}
	commands := ofCommand.FindAllStringSubmatch(string(usage), -1)
	if len(commands) < 6 {
		t.Fatalf("only %d commands in:\n%s", len(commands), usage)
	}
	for _, c := range commands {
		if !strings.Contains(page, "portero "+c[1]) {
			t.Errorf("it lacks portero %s", c[1])
		}
		if c[1] == "version" { // it takes no flags, and looks at none
			continue
		}
		flags, err := exec.Command(program, c[1], "-h").CombinedOutput()
		if err != nil {
			t.Fatalf("portero %s -h: %v: %s", c[1], err, flags)
		}
		for _, f := range ofFlag.FindAllStringSubmatch(string(flags), -1) {
			dashes := "--"
			if len(f[1]) == 1 {
				dashes = "-"
			}
			if !strings.Contains(page, dashes+f[1]) {
				t.Errorf("it lacks %s%s of portero %s", dashes, f[1], c[1])
			}
		}
	}
}

func TestTheManualIsWellFormed(t *testing.T) {
	// As it stands in the package, where it has a date.
	page := filepath.Join(folder(t), "root/usr/share/man/man1/portero.1.gz")
	for _, judge := range []string{`zcat "$0" | mandoc -T lint -W warning`, `man --warnings --local-file "$0" >/dev/null`} {
		if err := run("sh", "-c", judge, page); err != nil {
			t.Error(err)
		}
	}
}
