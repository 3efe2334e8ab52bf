package main

import (
	"os"
	"runtime/debug"
)

// The relay makes no garbage; logins do, and those with TLS 40 kB each. How often the collector
// runs for that is a matter of how much room it leaves: with a quarter of a heap of 1 MB it ran
// for each 20 logins with TLS, and took a fifth of all their processor time. So while there are
// logins a small heap has a room of gcRoom, and one that is large for the clients at rest in it no
// more than gcPercent of it. When it is quiet that is what all have, and what the room was filled
// with goes back to the system: see tidier.
const (
	gcPercent = 25      // of a large heap; Go's 100 would only lie idle
	gcRoom    = 8 << 20 // bytes, at the least
	mostGC    = 200     // which is gcRoom for the smallest heap (4 MiB to the runtime)
)

// percentFor is the GOGC for what the last collection has found in use.
func percentFor(live uint64, quiet bool) int {
	if quiet {
		return gcPercent
	}
	return int(min(max(gcRoom*100/max(live, 1), gcPercent), mostGC))
}

// collector tells the runtime when to collect, unless the environment does.
type collector struct{ percent int } // 0: gcPercent

// mind is told what is in use. The runtime stops the world to be told, so small changes are not
// worth it.
func (c *collector) mind(live uint64, quiet bool) {
	want := percentFor(live, quiet)
	if !differ(want, max(c.percent, gcPercent)) {
		return
	}
	c.percent = want
	debug.SetGCPercent(want)
}

// differ is true for more than an eighth.
func differ(a, b int) bool { return max(a, b)-min(a, b) > max(a, b)/8 }

// gcIsOurs says whether the environment leaves it to us.
func gcIsOurs() bool { return os.Getenv("GOGC") == "" }
