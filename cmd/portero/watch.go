package main

import (
	"context"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"portero/config"
)

// Files that change are read again by themselves: Kubernetes swaps the symbolic link to a
// whole folder, an editor renames a file over another, a script writes in place. All of
// them show in what stat(2) says of the name; so it is asked once a second. A change is
// taken when a second has gone by without another, as files that belong together are
// seldom written at once.

const watchEvery = time.Second

// traces are what stat(2) says of files, by their names.
type traces map[string]unix.Stat_t

func tracesOf(files []config.File) traces {
	t := make(traces, len(files))
	for _, f := range files {
		t[f.Name] = traceOf(f.Name)
	}
	return t
}

// traceOf is what tells that a file has changed, the one that a link leads to; zero if
// there is none.
func traceOf(name string) (s unix.Stat_t) {
	var all unix.Stat_t
	if unix.Stat(name, &all) == nil {
		s.Dev, s.Ino, s.Size, s.Mtim, s.Ctim = all.Dev, all.Ino, all.Size, all.Mtim, all.Ctim
	}
	return s
}

func (in *instance) startWatching() {
	var ctx context.Context
	ctx, in.stopWatch = context.WithCancel(context.Background())
	in.watching = make(chan struct{})
	go in.watch(ctx)
}

// watch is a goroutine, and ends with the instance.
func (in *instance) watch(ctx context.Context) {
	defer close(in.watching)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var w watcher
	var t tidier
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if w.changed(in.lastRead.Load().files) {
			in.reload("changed file") //nolint:errcheck // it has been logged
		}
		t.tidy()
	}
}

// watcher finds out when files have changed.
type watcher struct {
	files []config.File // as they were read last
	last  traces
	moved bool // since then
}

// changed is asked once a second, with the files as they were read last.
func (w *watcher) changed(files []config.File) bool {
	if !slices.Equal(w.files, files) {
		*w = watcher{files: files, last: tracesOf(files), moved: true} // perhaps between the reading and now
		return false
	}
	if now := tracesOf(files); !maps.Equal(now, w.last) {
		w.last, w.moved = now, true
		return false // until they have been so for a second
	}
	if !w.moved {
		return false
	}
	w.moved = false
	return slices.ContainsFunc(files, func(f config.File) bool { return !isOther(f.Name) && config.Look(f.Name) != f })
}

// isOther reports whether something is there that is no regular file: a pipe from which the
// configuration came, say.
func isOther(name string) bool {
	info, err := os.Stat(name)
	return err == nil && !info.Mode().IsRegular()
}
