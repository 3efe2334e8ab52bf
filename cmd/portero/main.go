// Command portero is a pooling proxy in front of highly available PostgreSQL.
//
//	portero serve [--config proxy.toml]   run
//	portero check [--config proxy.toml]   report every fault of a configuration; --live: look at its clusters too
//	portero diff --config proxy.toml      what a reload would change in the one that runs
//	portero explain --user bob            what a client would get, and why
//	portero top [--config proxy.toml]     the console as a live page of the terminal
//	portero import pgbouncer.ini          translate PgBouncer's configuration, and HAProxy's and Patroni's
//	portero citus poolinfo|check          Citus' nodes reach each other through Portero
//	portero upgrade [--config proxy.toml] the one that runs starts its program anew, and hands over
//	portero version
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"portero/config"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

const usage = `portero is a pooling proxy in front of highly available PostgreSQL.

  portero serve [--config proxy.toml]   run; without a file: 127.0.0.1:6432 to 127.0.0.1:5432
  portero check [--config proxy.toml]   report every fault of a configuration; with --live
                                        look at etcd, leaders, servers and layout too
  portero diff --config proxy.toml      what a reload would change in the Portero that runs
  portero explain --database app --user bob [--from 10.1.2.3]
                                        which rule, route, pool, member and settings
                                        a client would get, and why
  portero top [--config proxy.toml] [connection string]
                                        the console as a live page of the terminal
  portero import [-o proxy.toml] pgbouncer.ini [haproxy.cfg] [patroni.yml]
                                        translate them into a proxy.toml
  portero citus poolinfo [--config proxy.toml]
                                        print the SQL that has Citus' nodes reach each other through Portero
  portero citus check [--config proxy.toml]
                                        compare what the nodes have with that, and with who leads
  portero upgrade [--config proxy.toml] have the Portero that runs start its program anew, a new
                                        version say, and hand over its clients
  portero version                       print the version

serve, check, explain and top also take a pgbouncer.ini as it is.
PORTERO_... in the environment comes before the file, and will do without one.
proxy.toml.example says how settings are named there.
`

// run is the program with its arguments and outputs given; it returns the exit
// status.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	switch args[0] {
	case "serve":
		return withConfig("serve", args[1:], stderr, func(path string) int { return serve(path, stderr) })
	case "check":
		return checkCommand(args[1:], stdout, stderr)
	case "diff":
		return diff(args[1:], stdout, stderr)
	case "explain":
		return explain(args[1:], stdout, stderr)
	case "top":
		return topPage(args[1:], stdout, stderr)
	case "import":
		return importFiles(args[1:], stdout, stderr)
	case "citus":
		return citus(args[1:], stdout, stderr)
	case "upgrade":
		return upgradeRunning(args[1:], stdout, stderr)
	case "version":
		fmt.Fprintln(stdout, "portero", version(), runtime.Version())
		return 0
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return 0
	}
	fmt.Fprintf(stderr, "portero: unknown command %q\n\n%s", args[0], usage)
	return 2
}

// load reads the configuration and all files it names; faults go to stderr,
// one line each.
func load(path string, stderr io.Writer) (*parts, bool) {
	p, err := prepare(path, nil)
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	return p, err == nil
}

func check(path string, stdout, stderr io.Writer) (p *parts, status int) {
	p, ok := load(path, stderr)
	if path == "" {
		path = "environment"
	}
	for _, warning := range p.unknown {
		fmt.Fprintf(stderr, "environment: warning: %s\n", warning)
	}
	if !ok {
		return p, 1
	}
	for _, remark := range p.remarks {
		fmt.Fprintln(stderr, remark)
	}
	for _, warning := range p.descriptors.warnings(p.cfg) {
		fmt.Fprintf(stderr, "%s: warning: %s\n", path, warning)
	}
	fmt.Fprintf(stdout, "%s: ok\nonly a restart changes %s\n", path, strings.Join(config.Fixed(), ", "))
	return p, 0
}

// packaged is the version that a package has, set by the linker.
var packaged string

// version is the package's version, or the module's where the build knows it, else the commit.
func version() string {
	if packaged != "" {
		return packaged
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel " + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}
