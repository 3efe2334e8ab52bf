package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/term"

	"portero/config"
	"portero/top"
)

const topUsage = `portero top shows the console of a Portero as a live page of the terminal. It
changes nothing.

  portero top [--config proxy.toml]
  portero top [--host HOST] [--port PORT] [--user NAME] [connection string]

With a file it takes the file's listeners, and the first of [admin] users. Else it
connects as psql does, by PGHOST, PGPORT, PGUSER, PGPASSWORD, .pgpass and so on,
but to port 6432 and database pgbouncer. ? on the page says what keys there are.

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
	flags := flag.NewFlagSet("portero top", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, topUsage)
		flags.PrintDefaults()
	}
	flags.StringVar(&order.path, "config", "", "configuration `file` (proxy.toml or pgbouncer.ini)")
	flags.StringVar(&order.host, "host", "", "`host` or folder of the Unix socket")
	flags.StringVar(&order.port, "port", "", "`port`; default: 6432")
	flags.StringVar(&order.user, "user", "", "`name` of the user, who must be in [admin] users or stats_users")
	flags.StringVar(&order.view, "view", "pools", "the `view` to begin with: pools, clients, servers, groups, failovers or pins")
	flags.DurationVar(&order.interval, "d", 2*time.Second, "`time` between samples, as 500ms or 2s")
	flags.BoolVar(&order.batch, "batch", false, "print plain text, for scripts")
	flags.IntVar(&order.pages, "n", 0, "with --batch, `how many` pages; 0 = until it is interrupted")
	flags.IntVar(&order.width, "width", 0, "with --batch, `columns`; default: COLUMNS, else 132")
	rest, err := mixed(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil, 0
	case err != nil:
		return nil, 2
	case len(rest) > 1:
		fmt.Fprintf(stderr, "portero top: unexpected argument %q\n", rest[1])
		return nil, 2
	case len(rest) == 1:
		order.connection = rest[0]
	}
	if order.path != "" && (order.connection != "" || order.host != "" || order.port != "") {
		fmt.Fprintln(stderr, "portero top: a file says where to connect to: give no host, port or connection string beside it")
		return nil, 2
	}
	if order.interval < 100*time.Millisecond {
		fmt.Fprintln(stderr, "portero top: -d must be at least 100ms")
		return nil, 2
	}
	if order.width <= 0 {
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
		m, err := o.model(console, top.ShowsUnicode())
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		return top.Batch(ctx, stdout, m, console, o.width, o.pages)
	}
	screen, unicode, err := top.NewScreen()
	if err != nil {
		return err
	}
	if err := askPassword(console); err != nil {
		return err
	}
	m, err := o.model(console, unicode)
	if err != nil {
		return err
	}
	return top.Run(context.Background(), screen, m, console)
}

func (o *topOrder) model(console *top.Console, unicode bool) (*top.Model, error) {
	m := top.NewModel(console.Target(), o.interval, unicode)
	if !m.SetView(o.view) {
		return nil, fmt.Errorf("there is no view %q", o.view)
	}
	return m, nil
}

// askPassword asks for a password where the console wants one and none was given, as psql does.
// That nobody answers is for the page to say.
func askPassword(console *top.Console) error {
	if err := console.Connect(context.Background()); err == nil {
		return nil
	}
	user := console.LacksPassword()
	if user == "" {
		return nil
	}
	fmt.Fprintf(os.Stderr, "Password for user %s: ", user)
	password, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return err
	}
	console.SetPassword(user, string(password))
	return console.Connect(context.Background()) //nolint:wrapcheck // it says all
}

// consolePort is that of a listener that says nothing else.
const consolePort = "6432"

// ways are those to try to get to the console, the likeliest first.
func (o *topOrder) ways(stderr io.Writer) (ways []*pgconn.Config, ok bool) {
	texts := []string{o.connectionString()}
	if o.path != "" {
		p, ok := load(o.path, stderr)
		if !ok {
			return nil, false
		}
		if texts = waysOf(p.cfg, o.user); len(texts) == 0 {
			fmt.Fprintf(stderr, "portero top: %s has neither [admin] users nor a Unix socket: give --user, or a connection string\n", o.path)
			return nil, false
		}
	}
	for _, text := range texts {
		c, err := pgconn.ParseConfig(text)
		if err != nil {
			fmt.Fprintln(stderr, "portero top:", err)
			return nil, false
		}
		if c.RuntimeParams["application_name"] == "" {
			c.RuntimeParams["application_name"] = "portero top"
		}
		ways = append(ways, c)
	}
	return ways, true
}

// connectionString is what the command line says, with the console's own defaults for what
// neither it nor the environment does.
func (o *topOrder) connectionString() string {
	if strings.Contains(o.connection, "://") {
		return consoleURL(o.connection)
	}
	var parts []string
	if os.Getenv("PGPORT") == "" {
		parts = append(parts, "port="+consolePort)
	}
	if os.Getenv("PGHOST") == "" && !strings.Contains(o.connection, "service=") {
		parts = append(parts, "host=127.0.0.1")
	}
	parts = append(parts, "dbname=pgbouncer", o.connection)
	for _, given := range [][2]string{{"host", o.host}, {"port", o.port}, {"user", o.user}} {
		if given[1] != "" {
			parts = append(parts, given[0]+"="+quoted(given[1]))
		}
	}
	return strings.Join(parts, " ")
}

// consoleURL fills in what a URL leaves out.
func consoleURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text // which ParseConfig has something to say about
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/pgbouncer"
	}
	if u.Host != "" && u.Port() == "" && !strings.Contains(u.Host, ",") {
		u.Host = net.JoinHostPort(u.Hostname(), consolePort)
	}
	return u.String()
}

// quoted is a value of a connection string.
func quoted(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// waysOf are connection strings for the listeners of a configuration: by a Unix socket as who
// runs Portero, which needs no password, and as the first of those who may.
func waysOf(cfg *config.Config, user string) (texts []string) {
	users := slices.Concat(cfg.Admin.Users, cfg.Admin.StatsUsers)
	if user == "" && len(users) > 0 {
		user = users[0]
	}
	for _, l := range cfg.Listeners {
		host, port := placeOf(l.Address)
		if strings.HasPrefix(l.Address, "unix:") {
			texts = append(texts, wayTo(host, port, "pgbouncer"))
		}
	}
	if user == "" {
		return texts
	}
	for _, l := range cfg.Listeners {
		host, port := placeOf(l.Address)
		texts = append(texts, wayTo(host, port, user))
	}
	return texts
}

// placeOf is the host and the port by which libpq finds a listener from this host.
func placeOf(address string) (host, port string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if port, ok := strings.CutPrefix(filepath.Base(path), ".s.PGSQL."); ok {
			return filepath.Dir(path), port
		}
		return path, consolePort
	}
	host, port, _ = net.SplitHostPort(address) // checked by config
	switch ip := net.ParseIP(host); {
	case host == "", ip != nil && ip.Equal(net.IPv4zero):
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return host, port
}

func wayTo(host, port, user string) string {
	return fmt.Sprintf("host=%s port=%s user=%s dbname=pgbouncer", quoted(host), quoted(port), quoted(user))
}
