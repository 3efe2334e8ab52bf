package main

import "time"

// hangs is how long an event loop may be silent: a turn of it takes milliseconds, and a
// processor that others use for so long is no reason for a restart.
const hangs = 10 * time.Second

// shuttingDown is what /readyz says from TERM on.
const shuttingDown = "shutting down"

func (in *instance) notReady() (why []string) {
	if in.process.ShuttingDown.Load() {
		why = append(why, shuttingDown)
	}
	return append(why, in.pools.Ready(in.config().Routes)...)
}
