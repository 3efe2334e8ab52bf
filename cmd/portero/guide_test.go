package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"portero/internal/lab"
)

// guide is a page of docs as a script: its files, and its commands with what they print.
type guide struct {
	t       *testing.T
	dir     string
	env     []string
	rename  *strings.Replacer // of the page's ports
	running *exec.Cmd         // the Portero that was started last
	log     string            // of that
	starts  int
}

var (
	fences = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	titled = regexp.MustCompile(`^[;#] ([\w.]+)\n`)
)

func TestTheGuideFromPgBouncer(t *testing.T) {
	t.Parallel()
	var roles []string
	for _, name := range []string{"app", "batch", "dba", "monitor"} {
		roles = append(roles, "create role "+name+" login password 'secret'")
	}
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{
		HBA: []string{"host all postgres all trust", "host all all all scram-sha-256"}, SQL: append(roles, "create database app owner app"),
	})
	free := freeAddresses(t, 2)
	_, port, _ := strings.Cut(free[0], ":")
	g := newGuide(t, strings.NewReplacer("5432", fmt.Sprint(postgres.Port()), "6432", port), "PGPASSWORD=secret", "PORTERO_ADMIN_ADDRESS="+free[1])
	g.follow("../../docs/from-pgbouncer.md")
	if g.starts < 4 {
		t.Errorf("the page starts Portero %d times", g.starts)
	}
}

// What a reader of the page can try without a Kubernetes.
func TestTheGuideToKubernetes(t *testing.T) {
	free := freeAddresses(t, 2)
	g := newGuide(t, strings.NewReplacer("127.0.0.1:9632", free[1]), "PORTERO_LISTEN="+free[0], "PORTERO_ADMIN_ADDRESS="+free[1])
	g.follow("../../docs/kubernetes.md")
	if g.starts != 1 {
		t.Errorf("the page starts Portero %d times", g.starts)
	}
}

// newGuide has a folder in which portero can be called by its name.
func newGuide(t *testing.T, rename *strings.Replacer, env ...string) *guide {
	t.Helper()
	g := &guide{t: t, dir: t.TempDir(), rename: rename}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	g.write("portero", fmt.Sprintf("#!/bin/sh\n%s=1 exec %s \"$@\"\n", asProgram, self))
	g.env = append(append(os.Environ(), "PATH="+g.dir+":"+os.Getenv("PATH")), env...)
	return g
}

// follow writes the files of a page, and runs its commands.
func (g *guide) follow(name string) {
	g.t.Helper()
	page, err := os.ReadFile(name)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, f := range fences.FindAllStringSubmatch(string(page), -1) {
		text := g.rename.Replace(f[2])
		if name := titled.FindStringSubmatch(text); name != nil {
			g.write(name[1], strings.TrimPrefix(text, name[0]))
			continue
		}
		g.play(text)
	}
	g.stop()
}

func (g *guide) write(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o755); err != nil {
		g.t.Fatal(err)
	}
}

// play runs commands, which begin with $, and compares what they print.
func (g *guide) play(text string) {
	for _, part := range strings.Split("\n"+text, "\n$ ")[1:] {
		command, want, _ := strings.Cut(part, "\n")
		switch line, background := strings.CutSuffix(command, " &"); {
		case command == "stop":
			g.stop()
		case background:
			g.start(line)
		default:
			got, _ := g.shell(command).CombinedOutput() // its status shows in what it prints
			if strings.TrimSpace(string(got)) != strings.TrimSpace(want) {
				g.t.Errorf("$ %s\n%s\nbut the page says\n%s", command, got, want)
			}
		}
	}
}

func (g *guide) shell(command string) *exec.Cmd {
	cmd := exec.CommandContext(g.t.Context(), "/bin/bash", "-c", command)
	cmd.Dir, cmd.Env = g.dir, g.env
	return cmd
}

// start starts a Portero, and waits until it serves clients. One that was there before ends if
// it is taken over from.
func (g *guide) start(command string) {
	g.t.Helper()
	before := g.running
	g.starts++
	g.log = filepath.Join(g.dir, fmt.Sprintf("log%d", g.starts))
	log, err := os.Create(g.log)
	if err != nil {
		g.t.Fatal(err)
	}
	defer log.Close()
	assignments, rest := "", command
	if i := strings.Index(command, "portero serve"); i > 0 {
		assignments, rest = command[:i], command[i:]
	}
	g.running = g.shell(assignments + "exec " + rest)
	g.running.Stdout, g.running.Stderr = log, log
	g.running.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := g.running.Start(); err != nil {
		g.t.Fatal(err)
	}
	eventually(g.t, func() error {
		if text, _ := os.ReadFile(g.log); !strings.Contains(string(text), "msg=ready ") {
			return fmt.Errorf("%s is not ready:\n%s", command, text)
		}
		return nil
	})
	if before != nil {
		g.ended(before)
	}
}

func (g *guide) stop() {
	if g.running != nil {
		g.running.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended, and then the test has failed
		g.ended(g.running)
		g.running = nil
	}
}

func (g *guide) ended(cmd *exec.Cmd) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			cmd.Process.Kill() //nolint:errcheck // Wait says what became of it
		}
	})()
	if err := cmd.Wait(); err != nil {
		text, _ := os.ReadFile(g.log)
		g.t.Errorf("%s: %v\n%s", cmd, err, text)
	}
}
