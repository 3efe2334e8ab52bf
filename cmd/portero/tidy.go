package main

import (
	"runtime/debug"
	"runtime/metrics"
)

// The relay makes no garbage, so that the collector has no reason to run once a storm of logins
// is over: what it has left, stacks and free pages too, would stay for minutes. So memory is
// given back to the system when all is quiet again. That is at most one collection more each time
// that as much was allocated as is in use.

// quietBytes is how much a process that nobody logs in to allocates in a second at the most: it
// looks at files, asks etcd, tells its metrics.
const quietBytes = 512 << 10

// tidier finds the moment for that.
type tidier struct {
	seen   uint64 // bytes allocated since the start, at the last look
	tidied uint64 // likewise, when memory was given back last

	collector collector
}

// looks is told once a second what was allocated since the start. quiet: little in this second.
func (t *tidier) looks(allocated uint64) (quiet bool) {
	quiet = allocated-t.seen < quietBytes
	t.seen = allocated
	return quiet
}

// due reports whether memory is to be given back. live is what the last collection has found in
// use.
func (t *tidier) due(quiet bool, live uint64) bool {
	allocated := t.seen
	if !quiet || allocated-t.tidied < live {
		return false
	}
	t.tidied = allocated
	return true
}

// tidy gives memory back if it is time to, unless the environment says how the collector
// is to run. It may take some ms per 10 MB in use; loops go on meanwhile.
func (t *tidier) tidy() {
	if !gcIsOurs() {
		return
	}
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(samples)
	live, quiet := samples[1].Value.Uint64(), t.looks(samples[0].Value.Uint64())
	t.collector.mind(live, quiet)
	if t.due(quiet, live) {
		debug.FreeOSMemory()
	}
}
