package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const orphanVariable = "PORTERO_LAB_TEST_ORPHAN"

func TestNothingSurvivesAKilledProgram(t *testing.T) {
	if os.Getenv(orphanVariable) != "" {
		startAndWaitToBeKilled(t)
	}
	ctx := needServers(t)
	t.Parallel()
	program := exec.CommandContext(ctx, os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	program.Env = append(os.Environ(), orphanVariable+"=yes")
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for lines := bufio.NewScanner(out); len(dirs) == 0 && lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "dirs "); ok {
			dirs = strings.Fields(text)
		}
	}
	_ = program.Process.Kill()
	_ = program.Wait()
	if len(dirs) != 2 {
		t.Fatalf("the program told of directories %v", dirs)
	}
	for _, dir := range dirs {
		ctx, cancel := context.WithTimeout(ctx, Patience)
		defer cancel()
		if err := Poll(ctx, "wait for the end of "+dir, func() error {
			if _, err := os.Stat(dir); err == nil || len(working(dir)) > 0 {
				return errors.New("still there")
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

func startAndWaitToBeKilled(t *testing.T) {
	c, err := StartCluster(t.Context(), ClusterOptions{Members: 1})
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(c.Groups[0].Members[0].dir) != c.site.dir || c.Groups[0].Members[0].PID() == 0 {
		t.Fatal("no postmaster")
	}
	fmt.Printf("\ndirs %s %s\n", c.site.dir, c.Etcd.site.dir)
	select {}
}
