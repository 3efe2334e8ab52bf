package main

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/config"
)

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
