package main

import (
	"fmt"
	"time"
)

// hangs is how long an event loop may be silent: a turn of it takes milliseconds, and a
// processor that others use up for so long is no reason for a restart.
const hangs = 10 * time.Second

// live is what /livez asks. A loop that hangs is found by the second question behind it.
func (in *instance) live() error {
	if id, silent := in.pulse.Beat(); silent >= hangs {
		return fmt.Errorf("event loop %d has not turned for %s", id, silent.Round(time.Second))
	}
	return nil
}

// shuttingDown is what /readyz says from TERM on.
const shuttingDown = "shutting down"

func (in *instance) notReady() (why []string) {
	if in.process.ShuttingDown.Load() {
		why = append(why, shuttingDown)
	}
	return append(why, in.pools.Ready(in.config().Routes)...)
}
