package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/top"
)

const topUsage = `portero top shows the console of a Portero as a live page of the terminal. It
changes nothing.

  portero top [--config proxy.toml]
  portero top [--host HOST] [--port PORT] [--user NAME] [connection string]

With a file it takes the file's listeners, and the first of [admin] users. Else it
connects as psql does, by PGHOST, PGPORT, PGUSER, PGPASSWORD, service files, .pgpass
and so on, but to port 6432 and database pgbouncer. ? on the page says what keys
there are.

`

// topOrder is the command line of top.
type topOrder struct {
	path, host, port, user string
	connection             string
	view                   string
	interval               time.Duration
	pages, width           int
	batch                  bool
}

// topPage runs until somebody leaves the page. The exit status is 0 then, and 1 if the console
// cannot be read, in batch mode, or there is no terminal.
func topPage(args []string, stdout, stderr io.Writer) int {
	order, status := parseTop(args, stderr)
	if order == nil {
		return status
	}
	ways, ok := order.ways(stderr)
	if !ok {
		return 2
	}
	if err := order.run(ways, stdout); err != nil {
		fmt.Fprintln(stderr, "portero top:", err)
		return 1
	}
	return 0
}

// parseTop reads the command line; nil: the program ends with a status.
func parseTop(args []string, stderr io.Writer) (order *topOrder, status int) {
	order = &topOrder{}
	flags := newFlags("top", topUsage, stderr)
	flags.StringVar(&order.path, "config", "", "configuration `file` (proxy.toml or pgbouncer.ini)")
	flags.StringVar(&order.host, "host", "", "`host` or folder of the Unix socket")
	flags.StringVar(&order.port, "port", "", "`port`; default: 6432")
	flags.StringVar(&order.user, "user", "", "`name` of the user, who must be in [admin] users or stats_users")
	flags.StringVar(&order.view, "view", "pools", "the `view` to begin with: pools, clients, servers, groups, failovers or pins")
	flags.DurationVar(&order.interval, "d", 2*time.Second, "`time` between samples, as 500ms or 2s")
	flags.BoolVar(&order.batch, "batch", false, "print plain text, for scripts")
	flags.IntVar(&order.pages, "n", 0, "with --batch, `how many` pages; 0 = until it is interrupted")
	flags.IntVar(&order.width, "width", 0, "with --batch, `columns`; default: COLUMNS, else 132")
	if status, ends := parsed(flags, args, &order.connection); ends {
		return nil, status
	}
	if order.path != "" && (order.connection != "" || order.host != "" || order.port != "") {
		fmt.Fprintln(stderr, "portero top: a file says where to connect to: give no host, port or connection string beside it")
		return nil, 2
	}
	if isURL(order.connection) && (order.host != "" || order.port != "" || order.user != "") {
		fmt.Fprintln(stderr, "portero top: a URL says where to connect to, and as whom: give no host, port or user beside it")
		return nil, 2
	}
	if order.interval < top.Shortest {
		fmt.Fprintf(stderr, "portero top: -d must be at least %s\n", top.Shortest)
		return nil, 2
	}
	if order.pages < 0 || order.width < 0 {
		fmt.Fprintln(stderr, "portero top: -n and -width must be 0 or more")
		return nil, 2
	}
	if !top.HasView(order.view) {
		fmt.Fprintf(stderr, "portero top: there is no view %q\n", order.view)
		return nil, 2
	}
	if order.width == 0 {
		order.width, _ = strconv.Atoi(os.Getenv("COLUMNS"))
	}
	if order.width <= 0 {
		order.width = 132
	}
	return order, 0
}

// run shows the page, or prints it.
func (o *topOrder) run(ways []*pgconn.Config, stdout io.Writer) error {
	console := top.NewConsole(ways...)
	if o.batch {
		if err := console.Connect(context.Background()); err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		return top.Batch(ctx, stdout, o.model(console, top.ShowsUnicode()), console, o.width, o.pages)
	}
	screen, unicode, err := top.NewScreen()
	if err != nil {
		return err
	}
	if err := askPassword(console); err != nil {
		return err
	}
	return top.Run(context.Background(), screen, o.model(console, unicode), console)
}

func (o *topOrder) model(console *top.Console, unicode bool) *top.Model {
	m := top.NewModel(console.Target(), o.interval, unicode)
	m.SetView(o.view)
	return m
}
