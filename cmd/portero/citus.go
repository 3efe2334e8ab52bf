package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"portero/config"
	"portero/discovery"
)

const citusUsage = `portero citus is for Citus clusters whose nodes reach each other through Portero.

  portero citus poolinfo [--config proxy.toml] [--host H] [--port P]
                         prints the SQL that points the nodes at Portero
  portero citus check    [--config proxy.toml] [--user U]
                         asks the leaders of all groups what they have of that,
                         and compares it with what etcd says and poolinfo prints

Both read the file and etcd; the Portero that runs is not asked.
The exit status is 0 if all is well, 1 if not, 2 if the command line or the file is at fault.

`

// citusOrder is the command line of citus poolinfo and citus check.
type citusOrder struct {
	path, cluster, host, port, database string
	user, passwordFile                  string
	json                                bool
}

// citus runs one of the subcommands.
func citus(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, citusUsage)
		return 2
	}
	switch args[0] {
	case "poolinfo":
		return runCitus("poolinfo", args[1:], stderr, func(o *citusOrder, s *citusScene) int { return poolinfo(s, stdout, stderr) })
	case "check":
		return runCitus("check", args[1:], stderr, func(o *citusOrder, s *citusScene) int { return o.check(s, stdout, stderr) })
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, citusUsage)
		return 0
	}
	fmt.Fprintf(stderr, "portero citus: unknown command %q\n\n%s", args[0], citusUsage)
	return 2
}

// runCitus reads the command line, the file and etcd, and does what is left to do.
func runCitus(name string, args []string, stderr io.Writer, do func(*citusOrder, *citusScene) int) int {
	order, status := parseCitus(name, args, stderr)
	if order == nil {
		return status
	}
	p, ok := load(order.path, stderr)
	if !ok {
		return 2
	}
	s, err := order.scene(p.cfg)
	if err != nil {
		fmt.Fprintf(stderr, "portero citus %s: %v\n", name, err)
		return 2
	}
	if s.view, err = look(*s.cluster); err != nil {
		fmt.Fprintf(stderr, "portero citus %s: %v\n", name, err)
		return 1
	}
	return do(order, s)
}

// parseCitus reads the command line; nil: the program ends with a status.
func parseCitus(name string, args []string, stderr io.Writer) (o *citusOrder, status int) {
	o = &citusOrder{}
	flags := newFlags("citus "+name, citusUsage, stderr)
	flags.StringVar(&o.path, "config", "", "configuration `file` (proxy.toml)")
	flags.StringVar(&o.cluster, "cluster", "", "`name` of the cluster; default: the only one with citus = true")
	flags.StringVar(&o.host, "host", "", "`host` of Portero as the nodes see it; default: the listener's, 127.0.0.1 for one that listens everywhere")
	flags.StringVar(&o.port, "port", "", "`port` of it; default: the listener's")
	flags.StringVar(&o.database, "database", "", "`name` of the database that Citus is in; default: [cluster.metadata]'s, else the one that the routes lead to")
	if name == "check" {
		flags.StringVar(&o.user, "user", "", "`name` to ask the nodes as; default: [cluster.metadata]'s, else as psql has it")
		flags.StringVar(&o.passwordFile, "password-file", "", "`file` with the password; default: [cluster.metadata]'s, else PGPASSWORD or .pgpass")
		flags.BoolVar(&o.json, "json", false, "print JSON")
	}
	if status, ends := parsed(flags, args, &o.path); ends {
		return nil, status
	}
	return o, 0
}

// citusScene is what both subcommands go by.
type citusScene struct {
	cfg      *config.Config
	cluster  *config.Cluster
	database string // that Citus is in
	listener *config.Listener
	host     string // of Portero as the nodes see it
	port     string
	password string // of the file that --password-file names
	view     *discovery.View
}

// scene finds out what the command line leaves open. An error is for who wrote that, or the file.
func (o *citusOrder) scene(cfg *config.Config) (*citusScene, error) {
	s := &citusScene{cfg: cfg}
	var err error
	if s.cluster, err = citusCluster(cfg, o.cluster); err != nil {
		return nil, err
	}
	s.database = cmp.Or(o.database, s.cluster.Metadata.Database)
	if s.database == "" {
		if s.database, err = citusDatabase(cfg, s.cluster.Name); err != nil {
			return nil, err
		}
	}
	if o.port != "" {
		if n, err := strconv.ParseUint(o.port, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("--port %q: want 1 to 65535", o.port)
		}
	}
	if host, port, err := net.SplitHostPort(o.host); err == nil {
		return nil, fmt.Errorf("--host %q: give the port by itself: --host %s --port %s", o.host, host, port)
	}
	if o.passwordFile != "" {
		text, err := os.ReadFile(o.passwordFile)
		if err != nil {
			return nil, fmt.Errorf("--password-file: %w", err)
		}
		s.password = strings.TrimRight(string(text), "\r\n")
	}
	s.listener = s.likeliestListener(o.port)
	host, port := placeOf(s.listener.Address)
	s.host, s.port = cmp.Or(o.host, host), cmp.Or(o.port, port)
	return s, nil
}

func citusCluster(cfg *config.Config, name string) (*config.Cluster, error) {
	if name != "" {
		c := cfg.Cluster(name)
		switch {
		case c == nil:
			return nil, fmt.Errorf("there is no cluster %q in the file", name)
		case !c.Citus:
			return nil, fmt.Errorf("cluster %q has no citus = true", name)
		}
		return c, nil
	}
	var found []string
	for i := range cfg.Clusters {
		if cfg.Clusters[i].Citus {
			found = append(found, cfg.Clusters[i].Name)
		}
	}
	switch len(found) {
	case 0:
		return nil, errors.New("no cluster in the file has citus = true")
	case 1:
		return cfg.Cluster(found[0]), nil
	}
	return nil, fmt.Errorf("several clusters have citus = true: give --cluster, one of %s", strings.Join(found, ", "))
}

// citusPatience is how long etcd may take to answer.
const citusPatience = 5 * time.Second

// look reads the cluster's groups from etcd. It blocks for citusPatience at most.
func look(c config.Cluster) (*discovery.View, error) {
	var reasons etcdReasons
	d, err := discovery.Open(c, slog.New(&reasons))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	ctx, cancel := context.WithTimeout(context.Background(), citusPatience)
	defer cancel()
	for {
		v := d.View()
		switch {
		case !v.Stale && len(v.Groups) == 0:
			return nil, fmt.Errorf("cluster %s: etcd has no group below %s/%s: look at namespace, scope and citus in Patroni's own file", c.Name, c.Namespace, c.Scope)
		case !v.Stale:
			return v, nil
		}
		select {
		case <-v.Replaced():
		case <-ctx.Done():
			return nil, errors.New(reasons.told(fmt.Sprintf("cluster %s: etcd has not answered within %s, so that its groups are not known", c.Name, citusPatience)))
		}
	}
}
