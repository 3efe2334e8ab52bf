package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"portero/internal/lab"
	"portero/internal/page"
)

// describe asks the machine and the programs for the origin of runs, but for when they begin.
// What cannot be learned is left out.
func describe(o options) page.Origin {
	servers := []string{page.FirstLine("etcd", "--version"), page.FirstLine("patroni", "--version"),
		page.FirstLine("/usr/sbin/haproxy", "-v"), page.FirstLine("/usr/sbin/pgbouncer", "--version")}
	if bin, err := lab.PostgresBin(); err == nil {
		servers = append(servers, page.FirstLine(bin+"/postgres", "--version"))
	}
	return page.Origin{
		Portero: page.Portero(o.portero),
		Machine: page.Machine(),
		Servers: strings.Join(servers, "; "),
		Patroni: fmt.Sprintf("ttl %v, loop_wait %v, retry_timeout %v", o.ttl, o.loopWait, o.retryTimeout),
		Command: "go run ./faults " + strings.Join(os.Args[1:], " "),
	}
}

// begun is the origin of a run that begins at a time.
func begun(here page.Origin, began time.Time) page.Origin {
	here.Began = began.UTC().Truncate(time.Second)
	return here
}
