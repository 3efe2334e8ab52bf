package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
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
		c, err := parseWay(text)
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

// connectionString is what the command line says.
func (o *topOrder) connectionString() string {
	if isURL(o.connection) {
		return withPorts(o.connection)
	}
	parts := []string{o.connection}
	for _, given := range [][2]string{{"host", o.host}, {"port", o.port}, {"user", o.user}} {
		if given[1] != "" {
			parts = append(parts, given[0]+"="+quoted(given[1]))
		}
	}
	return strings.Join(parts, " ")
}

// isURL reports whether a connection string is a URL, as libpq tells: by how it begins.
func isURL(connection string) bool {
	return strings.HasPrefix(connection, "postgres://") || strings.HasPrefix(connection, "postgresql://")
}

// parseWay reads a connection string, with the console's own defaults for what is given
// nowhere. They stand in for variables of the environment, as what a service file says goes
// before those and behind the string.
func parseWay(text string) (*pgconn.Config, error) {
	for _, d := range [][2]string{
		{"PGHOST", cmp.Or(os.Getenv("PGHOST"), "127.0.0.1")},
		{"PGPORT", defaultPort()},
		{"PGDATABASE", "pgbouncer"}, // whatever the environment says: that one is for other programs
	} {
		was, had := os.LookupEnv(d[0])
		os.Setenv(d[0], d[1]) //nolint:errcheck // the name is a name
		if had {
			defer os.Setenv(d[0], was) //nolint:errcheck // likewise
		} else {
			defer os.Unsetenv(d[0]) //nolint:errcheck // likewise
		}
	}
	return pgconn.ParseConfig(text) //nolint:wrapcheck // it says all
}

func defaultPort() string { return cmp.Or(os.Getenv("PGPORT"), consolePort) }

// withPorts gives a port to each of several hosts of a URL that has none: what is empty in a
// list would be 5432.
func withPorts(text string) string {
	scheme, rest, _ := strings.Cut(text, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	begin := strings.LastIndexByte(rest[:end], '@') + 1
	hosts := strings.Split(rest[begin:end], ",")
	if len(hosts) < 2 {
		return text
	}
	for i, h := range hosts {
		if colon := strings.LastIndexByte(h, ':'); colon < 0 || strings.HasSuffix(h, "]") {
			hosts[i] = h + ":" + defaultPort()
		}
	}
	return scheme + "://" + rest[:begin] + strings.Join(hosts, ",") + rest[end:]
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
