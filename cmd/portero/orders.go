package main

import (
	"context"
	"os"
	"syscall"
)

// takeOrders is a goroutine that lives as long as the process: USR1 is PAUSE and USR2 is
// RESUME, as for PgBouncer.
func (in *instance) takeOrders(signals <-chan os.Signal) {
	for s := range signals {
		if s == syscall.SIGUSR1 {
			go in.pause() // RESUME has to be heard meanwhile
			continue
		}
		if err := in.pools.Resume(""); err != nil {
			in.log.Warn("RESUME refused", "signal", s.String(), "error", err)
		}
	}
}

// pause is a goroutine that ends when all servers are released, or with a RESUME.
func (in *instance) pause() {
	if err := in.pools.Pause(context.Background(), ""); err != nil {
		in.log.Warn("PAUSE refused", "signal", syscall.SIGUSR1.String(), "error", err)
		return
	}
	in.log.Info("paused: all servers are released")
}
