package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"portero/proxy"
)

const explainUsage = `portero explain says which rule, route, pool, member and settings a client would
get, and why.

  portero explain [--config proxy.toml] --database app --user bob [--from 10.1.2.3]

The Portero that runs is asked, if one answers at the file's [admin] address.
Else, and with --offline, the file is read; then the member is not known.
The exit status is 0 if the client would get in, 1 if not, 2 in trouble.

`

// explainFlags is the command line of explain.
type explainFlags struct {
	path, admin   string
	offline, json bool
	newcomer      proxy.Newcomer
}

// explain asks the Portero that runs, or reads the file. The exit status is 0 if the client
// would get in, 1 if it is refused, 2 in trouble.
func explain(args []string, stdout, stderr io.Writer) int {
	line, status := parseExplain(args, stderr)
	if line == nil {
		return status
	}
	found, notice, err := line.find(stderr)
	if err != nil {
		fmt.Fprintln(stderr, visible(err.Error()))
		return 2
	}
	if line.json {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		err = out.Encode(found)
	} else {
		err = writeExplanation(stdout, found, notice)
	}
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "portero explain:", err)
		return 2
	case found.Refused():
		return 1
	}
	return 0
}

// parseExplain reads the command line; nil: the program ends with a status.
func parseExplain(args []string, stderr io.Writer) (line *explainFlags, status int) {
	line = &explainFlags{}
	q := &line.newcomer
	flags := newFlags("explain", explainUsage, stderr)
	flags.StringVar(&line.path, "config", "", "configuration `file` (proxy.toml or pgbouncer.ini)")
	flags.StringVar(&line.admin, "admin", "", "`address` of [admin] of the Portero that runs; default: as the file has it")
	flags.BoolVar(&line.offline, "offline", false, "read the file, whatever runs")
	flags.BoolVar(&line.json, "json", false, "print JSON")
	flags.StringVar(&q.User, "user", "", "`name` of the client's user")
	flags.StringVar(&q.Database, "database", "", "`name` of its database; default: as the user")
	flags.StringVar(&q.From, "from", "", "IP `address` of the client, or local: by Unix socket; default: this host")
	flags.StringVar(&q.Listener, "listener", "", "`address` of a listener, as the file has it; default: all")
	flags.StringVar(&q.Application, "application-name", "", "its application_name, which tells Citus' own connections")
	flags.StringVar(&q.Replication, "replication", "", "its parameter replication: `database`, or true")
	flags.BoolFunc("tls", "the client uses TLS; --tls=false: it does not; default: where it is offered", func(text string) error {
		yes, err := strconv.ParseBool(text)
		q.TLS = map[bool]string{true: "yes", false: "no"}[yes]
		return err
	})
	if status, ends := parsed(flags, args, &line.path); ends {
		return nil, status
	}
	if q.User == "" {
		fmt.Fprintln(stderr, "portero explain: --user must be given")
		return nil, 2
	}
	return line, 0
}

// find answers the question; notice is what there is to say of where the answer is from.
func (o *explainFlags) find(stderr io.Writer) (found proxy.Explanation, notice string, err error) {
	if o.admin != "" && !o.offline {
		found, err = askExplain(o.admin, o.newcomer)
		return found, "", err
	}
	p, ok := load(o.path, stderr)
	if !ok {
		return found, "", errors.New("portero explain: the configuration is at fault")
	}
	if address := p.cfg.Admin.Address; address != "" && !o.offline {
		found, err = askExplain(address, o.newcomer)
		if !errors.Is(err, errNobody) {
			return found, o.otherFile(found.Config), err
		}
		notice = "no Portero answers at " + address
	}
	found, err = proxy.Explain(p.cfg, p.auth, p.origins, o.newcomer)
	found.Config = o.path
	if err != nil {
		err = fmt.Errorf("portero explain: %w", err)
	}
	return found, notice, err
}

// otherFile says that the Portero that runs has read another file than the one that is named.
func (o *explainFlags) otherFile(read string) string {
	whole, err := filepath.Abs(o.path)
	if o.path == "" || err != nil || whole == read {
		return ""
	}
	return "it has not read " + o.path + ": --offline does"
}

// errNobody: there is no Portero that could be asked.
var errNobody = errors.New("no Portero answers")

// askExplain blocks on the network, for some seconds at most.
func askExplain(address string, q proxy.Newcomer) (found proxy.Explanation, err error) {
	v := url.Values{}
	for name, value := range map[string]string{
		"database": q.Database, "user": q.User, "from": q.From, "listener": q.Listener, "tls": q.TLS, "application_name": q.Application,
		"replication": q.Replication,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	status, body, err := askRunning(address, "/explain?"+v.Encode())
	switch {
	case err != nil && status != 0:
		return found, fmt.Errorf("portero explain: %s answers what cannot be read: %w", address, err)
	case err != nil:
		return found, fmt.Errorf("portero explain: %w at %s: %w", errNobody, address, err)
	case status == http.StatusNotFound: // an older one, or no Portero
		return found, fmt.Errorf("portero explain: %w that can explain at %s", errNobody, address)
	case status != http.StatusOK:
		return found, fmt.Errorf("portero explain: %s answers: %s", address, strings.TrimSpace(string(body)))
	}
	if err := json.Unmarshal(body, &found); err != nil {
		return found, fmt.Errorf("portero explain: %s answers what cannot be read: %w", address, err)
	}
	return found, nil
}

// explain is what this Portero answers.
func (in *instance) explain(q proxy.Newcomer) (proxy.Explanation, error) {
	now := in.inForce.Load()
	found, err := in.proxy.Explain(now.cfg, now.auth, now.origins, q)
	if whole, err := filepath.Abs(in.path); err == nil && in.path != "" {
		found.Config = whole
	}
	found.Running = &proxy.Running{Version: version(), Loaded: now.since.Format(time.DateTime)}
	return found, err
}
