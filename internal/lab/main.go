package lab

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Main is the main function of a program that starts servers: run is given what parse makes of the
// command line, and a context that ends when the program is interrupted. The exit status is 1
// behind an error, and 130 if run did not get to its end for the interruption.
func Main[O any](name string, parse func(args []string) (O, error), run func(context.Context, O) error) {
	options, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx, options)
		if err != nil && ctx.Err() != nil {
			fmt.Fprintf(os.Stderr, "\n%s: interrupted; everything that was started has ended\n", name)
			os.Exit(130)
		}
		stop()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}
