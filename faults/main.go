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
	portero string
	faults  []*fault
	kinds   []*kind
	runs    int // 0: as many as each case has by default

	ttl, loopWait, retryTimeout time.Duration // Patroni's

	record    string // file that keeps each run; "": none
	out, plot string // files; "": none
}

func main() { lab.Main("faults", parseOptions, run) }

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.StringVar(&o.portero, "portero", "bin/portero", "the portero to prove")
	cases := flags.String("cases", strings.Join(faultNames(), ","), "`faults` to make happen")
	chains := flags.String("chains", strings.Join(kindNames(), ","), "`chains` to make them happen to")
	flags.IntVar(&o.runs, "runs", 0, "runs of each case, with those that the file of runs holds; 0: 20 of switchover and crash through Portero, else 3")
	flags.DurationVar(&o.ttl, "ttl", 20*time.Second, "Patroni's ttl")
	flags.DurationVar(&o.loopWait, "loop-wait", 5*time.Second, "Patroni's loop_wait")
	flags.DurationVar(&o.retryTimeout, "retry-timeout", 5*time.Second, "Patroni's retry_timeout")
	flags.StringVar(&o.record, "record", "", "`file` of runs, which keeps each as a line of JSON; those that it holds count")
	flags.StringVar(&o.out, "out", "", "Markdown `file` whose section between the marks of faults is rewritten")
	flags.StringVar(&o.plot, "plot", "", "PNG `file` of writes around a switchover and a crash")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for _, name := range strings.Split(*cases, ",") {
		f := faultByName(name)
		if f == nil {
			return o, fmt.Errorf("no case %q; there are %s", name, strings.Join(faultNames(), ", "))
		}
		o.faults = append(o.faults, f)
	}
	for _, name := range strings.Split(*chains, ",") {
		k := kindByName(name)
		if k == nil {
			return o, fmt.Errorf("no chain %q; there are %s", name, strings.Join(kindNames(), ", "))
		}
		o.kinds = append(o.kinds, k)
	}
	return o, o.check(flags.Args())
}

// check refuses what could only fail after minutes of measuring.
func (o options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if o.runs < 0 {
		return errors.New("-runs is at least 0")
	}
	if o.loopWait+2*o.retryTimeout > o.ttl {
		return errors.New("for Patroni, loop-wait + 2 * retry-timeout is at most ttl")
	}
	if _, err := os.Stat(o.portero); err != nil {
		return fmt.Errorf("%w (make build makes it)", err)
	}
	if o.out != "" {
		return section(o.out).Check()
	}
	return nil
}

// progress tells a person who waits; the results alone go to standard output.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+"  "+format+"\n", args...)
}
