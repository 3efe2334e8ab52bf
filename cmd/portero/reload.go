package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"portero/config"
)

// A reload reads everything again, opens what is new, and only then puts all of it in
// force at once. Whatever is wrong with it changes nothing.

// What a reload must not take for a configuration: each is a file in the making, or one that
// can be read only once.
var (
	errNotRegular = errors.New("it is no regular file, and cannot be read again")
	errEmpty      = errors.New("it is empty")
)

// reload is asked for by a signal, the console or a file that has changed: by says which.
// It blocks on files, and for a reload that is under way. The log has had its error,
// which is of type config.Faults where files are wrong.
func (in *instance) reload(by string) error {
	in.reloading.Lock()
	defer in.reloading.Unlock()
	next, err := in.read(nil)
	in.lastRead.Store(next)
	if err == nil {
		err = in.apply(next)
	}
	if err != nil {
		in.process.NotReloaded()
		in.logFaults(by, err)
		return err
	}
	return nil
}

// read is the configuration as the files and the environment have it now, and over.
func (in *instance) read(over []string) (*parts, error) {
	if in.path == "" {
		return prepare("", over)
	}
	info, err := os.Stat(in.path)
	switch {
	case err != nil: // prepare says it
	case !info.Mode().IsRegular():
		return &parts{}, fmt.Errorf("%s: %w", in.path, errNotRegular)
	case info.Size() == 0:
		return &parts{files: []config.File{config.Look(in.path)}}, fmt.Errorf("%s: %w", in.path, errEmpty)
	}
	return prepare(in.path, over)
}

func (in *instance) logFaults(by string, err error) {
	var faults config.Faults
	if !errors.As(err, &faults) {
		in.log.Error("configuration not reloaded, nothing has changed", "by", by, "error", err)
		return
	}
	for _, f := range faults {
		in.log.Error("configuration not reloaded, nothing has changed", "by", by, "error", f.String())
	}
}

// apply puts a configuration in force, but for what only a restart changes.
func (in *instance) apply(next *parts) error {
	before := in.inForce.Load()
	changes := in.changes(before, next)
	before.cfg.KeepFixed(next.cfg)
	servers, err := in.pools.Prepare(next.cfg)
	if err != nil {
		return err
	}
	clients, err := in.proxy.Prepare(next.cfg, next.auth, next.descriptors.room(next.cfg))
	if err != nil {
		servers.Abandon()
		return err
	}
	in.logLevel.Set(levelOf(next.cfg.Log))
	servers.Apply(next.descriptors.servers)
	in.pools.KnowUsers(next.auth.Stored)
	in.process.ServersLimit.Store(int64(next.descriptors.servers))
	now := &state{parts: next, listening: clients.Apply(), since: time.Now()}
	in.deriving.stop()
	in.deriving.start(next.auth)
	in.inForce.Store(now)
	in.process.Loaded(now.since)
	in.tellRemarks(next)
	for _, warning := range next.descriptors.warnings(next.cfg) {
		in.log.Warn(warning)
	}
	in.log.Info("configuration reloaded", "changes", changes, "listening", now.listening)
	return nil
}

// changes is what is different in next, a line each; of the files that it names, that
// they are.
func (in *instance) changes(before *state, next *parts) (lines []string) {
	for _, d := range config.Diff(before.cfg, next.cfg) {
		lines = append(lines, d.String())
	}
	for _, f := range next.files {
		i := slices.IndexFunc(before.files, func(old config.File) bool { return old.Name == f.Name })
		if f.Name != in.path && i >= 0 && before.files[i] != f {
			lines = append(lines, "~ content of "+f.Name)
		}
	}
	return lines
}

// diff is what a reload would do now, in lines.
func (in *instance) diff() (string, error) {
	in.reloading.Lock()
	defer in.reloading.Unlock()
	next, err := in.read(nil)
	if err != nil {
		return "", err
	}
	lines := in.changes(in.inForce.Load(), next)
	if len(lines) == 0 {
		return "", nil
	}
	return strings.Join(lines, "\n") + "\n", nil
}
