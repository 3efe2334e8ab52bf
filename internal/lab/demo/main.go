package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"portero/internal/lab"
)

// options are the command line's.
type options struct {
	portero  string
	events   []string
	runs     int
	ttl      time.Duration
	loopWait time.Duration
	writers  int
	idle     int
}

// retryTimeout is Patroni's default of 10 s, or less where ttl demands it:
// loop_wait + 2 * retry_timeout <= ttl.
func (o options) retryTimeout() time.Duration {
	return max(time.Second, min(10*time.Second, (o.ttl-o.loopWait)/2))
}

// errBroken says that a row was lost or written twice, or a client did not survive.
var errBroken = errors.New("a promise was broken")

func main() { lab.Main("demo", parseOptions, run) }

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.StringVar(&o.portero, "portero", "bin/portero", "the portero to show")
	events := flags.String("events", "switchover,crash", "what happens to the leader: "+strings.Join(eventNames(), ", "))
	flags.IntVar(&o.runs, "runs", 1, "how often each event happens")
	flags.DurationVar(&o.ttl, "ttl", 30*time.Second, "Patroni's ttl")
	flags.DurationVar(&o.loopWait, "loop-wait", 10*time.Second, "Patroni's loop_wait")
	flags.IntVar(&o.writers, "writers", 8, "clients that write")
	flags.IntVar(&o.idle, "idle", 20, "clients that do nothing, and must survive it")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		os.Exit(2) // flag has said why
	}
	for _, name := range strings.Split(*events, ",") {
		if eventByName(name) == nil {
			return o, fmt.Errorf("no event %q; there are %s", name, strings.Join(eventNames(), ", "))
		}
		o.events = append(o.events, name)
	}
	if o.runs < 1 || o.writers < 1 || o.idle < 0 || flags.NArg() > 0 {
		return o, errors.New("-runs and -writers are at least 1, and there are no further arguments")
	}
	if _, err := os.Stat(o.portero); err != nil {
		return o, fmt.Errorf("%w (make build makes it)", err)
	}
	return o, nil
}
