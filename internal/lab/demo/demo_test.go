package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"portero/config"
	"portero/internal/lab"
)

func TestErrorsAreWrappedToTheTable(t *testing.T) {
	text := wrap("  errors: ", errorList(map[string]int{
		"57P01": 8, "25006": 1234, "08006": 3, "08007": 2, "57P03": 17, "XX000": 1,
	}))
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, " \n")); n > width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{"3 × 08006 (server lost", "1 × XX000", "\n          "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
}

func TestOptionsNameAnUnknownEvent(t *testing.T) {
	_, err := parseOptions([]string{"-portero", "/bin/true", "-events", "crash,flood"})
	if err == nil || !strings.Contains(err.Error(), `"flood"`) {
		t.Errorf("got %v", err)
	}
	o, err := parseOptions([]string{"-portero", "/bin/true", "-ttl", "20s", "-loop-wait", "2s"})
	if err != nil || o.retryTimeout() != 9*time.Second || len(o.events) != 2 {
		t.Errorf("got %+v, %v", o, err)
	}
}

func TestPorteroAcceptsTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	text := lab.PatroniConfig([]string{"127.0.0.1:2379", "127.0.0.1:22379"}) + routes
	for name, text := range map[string]string{"proxy.toml": text, "userlist.txt": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := config.Load(filepath.Join(dir, "proxy.toml")); err != nil {
		t.Error(err)
	}
}
