package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// withConfig parses a subcommand's only flag. The file may be given without it.
func withConfig(name string, args []string, stderr io.Writer, do func(path string) int) int {
	return withFlags(name, args, stderr, func(*flag.FlagSet) {}, do)
}

// withFlags is withConfig for a subcommand that adds flags of its own.
func withFlags(name string, args []string, stderr io.Writer, add func(*flag.FlagSet), do func(path string) int) int {
	flags := newFlags(name, "", stderr)
	path := flags.String("config", "", "configuration `file` (proxy.toml)")
	add(flags)
	if status, ends := parsed(flags, args, path); ends {
		return status
	}
	return do(*path)
}

// newFlags are the flags of a subcommand. With usage it says what it is for, before it lists them.
func newFlags(name, usage string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("portero "+name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	if usage != "" {
		flags.Usage = func() {
			fmt.Fprint(stderr, usage)
			flags.PrintDefaults()
		}
	}
	return flags
}

// parsed parses a command line. An argument is for first, unless a flag has set that; more are a
// fault. If the program ends with that, it returns the exit status.
func parsed(flags *flag.FlagSet, args []string, first *string) (status int, ends bool) {
	rest, err := mixed(flags, args)
	if *first == "" && len(rest) > 0 {
		*first, rest = rest[0], rest[1:]
	}
	return endsWith(flags, err, rest)
}

// mixed parses flags that may stand before, between and behind the arguments.
func mixed(flags *flag.FlagSet, args []string) (names []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return names, nil
		}
		names = append(names, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

// endsWith is the exit status of a program whose command line has been parsed with an error, or
// has arguments that are no use; false: it has neither, and goes on.
func endsWith(flags *flag.FlagSet, err error, rest []string) (status int, ends bool) {
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0, true
	case err != nil: // flags has said why
		return 2, true
	case len(rest) > 0:
		fmt.Fprintf(flags.Output(), "%s: unexpected argument %q\n", flags.Name(), rest[0])
		return 2, true
	}
	return 0, false
}
