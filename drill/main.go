package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"portero/internal/lab"
	"portero/internal/page"
)

// options are the command line's.
type options struct {
	portero  string
	layouts  []*layout
	settings []*setting
	events   []*event
	runs     int

	record, out string // files; "": none
}

func main() { lab.Main("drill", parseOptions, run) }

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("drill", flag.ContinueOnError)
	flags.StringVar(&o.portero, "portero", "bin/portero", "the portero to prove")
	which := flags.String("layouts", names(layouts, layoutName), "`layouts` of the servers")
	sets := flags.String("settings", names(settings, settingName), "sets of `settings` of Patroni and PostgreSQL")
	what := flags.String("events", names(events, eventName), "`events` that happen to each")
	flags.IntVar(&o.runs, "runs", 1, "runs of each, with those that the file of runs holds")
	flags.StringVar(&o.record, "record", "", "`file` of runs, which keeps each as a line of JSON; those that it holds count")
	flags.StringVar(&o.out, "out", "", "Markdown `file` whose section between the marks of the drill is rewritten")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var errs [3]error
	o.layouts, errs[0] = chosen(layouts, *which, layoutName)
	o.settings, errs[1] = chosen(settings, *sets, settingName)
	o.events, errs[2] = chosen(events, *what, eventName)
	if err := errors.Join(errs[:]...); err != nil {
		return o, err
	}
	return o, o.check(flags.Args())
}

// check refuses what could only fail after minutes of measuring.
func (o options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if o.runs < 1 {
		return errors.New("-runs is at least 1")
	}
	if _, err := os.Stat(o.portero); err != nil {
		return fmt.Errorf("%w (make build makes it)", err)
	}
	if o.out != "" {
		return section(o.out).Check()
	}
	return nil
}

// section is the part of the page at path that is this program's.
func section(path string) page.Section {
	return page.Section{Path: path, Name: "drill", Title: "The drill"}
}

// progress tells a person who waits; the results alone go to standard output.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+"  "+format+"\n", args...)
}
