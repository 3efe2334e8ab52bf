package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PorteroOptions say which Portero to start, and how.
type PorteroOptions struct {
	Program   string       // path of the binary
	Env       []string     // NAME=value, beside a plain environment
	Config    string       // proxy.toml, to which [admin] and a [[listener]] are added at its end
	NoFile    bool         // in place of Config: the environment says all
	Operators string       // more lines for [admin]
	Address   string       // of that listener; default: a free port of loopback
	Admin     string       // default: a free port of loopback
	Output    *os.File     // takes what it prints, in place of what Log shows; the caller closes it
	Host      *NetworkHost // where it runs; default: on loopback
}

// Portero is the program as a process, in a directory of its own in which userlist.txt has
// role app. Its methods are for any goroutine, Close for one.
type Portero struct {
	Address string // host:port for clients
	Admin   string // host:port for operators

	site    *site
	options PorteroOptions
	process *process
	former  int // processes that this one has succeeded
}

// PatroniConfig is the part of a proxy.toml that leads to a Cluster of the default namespace
// by etcd's endpoints, and lets its role app in. Routes are the caller's.
func PatroniConfig(etcd []string) string {
	return fmt.Sprintf(`
[[cluster]]
name = "main"
discovery = "patroni"
etcd = { endpoints = ["%s"] }
namespace = "/service"
scope = "demo"
citus = true

[auth]
method = "scram-sha-256"
users = "userlist.txt"
`, strings.Join(etcd, `", "`))
}

const userList = `"app" "app"` + "\n"

// StartPortero starts the program and returns at once. The caller closes it.
func StartPortero(o PorteroOptions) (*Portero, error) {
	me, err := oneself()
	if err != nil {
		return nil, err
	}
	s, err := newSiteOf(me)
	if err != nil {
		return nil, err
	}
	p := &Portero{Address: o.Address, Admin: o.Admin, site: s}
	if err := p.start(o); err != nil {
		return nil, errors.Join(fmt.Errorf("start portero: %w", err), s.close())
	}
	return p, nil
}

func (p *Portero) start(o PorteroOptions) error {
	for _, address := range []*string{&p.Address, &p.Admin} {
		if *address == "" {
			ports, err := p.site.takePorts(nil, 1)
			if err != nil {
				return err
			}
			*address = o.Host.serve(loopback(ports[0]))
		}
	}
	p.options = o
	if err := errors.Join(
		p.Configure(o.Config),
		p.site.writeFile(p.site.path("userlist.txt"), userList),
	); err != nil {
		return err
	}
	return p.run(p.Path("portero.log"))
}

func (p *Portero) run(log string) (err error) {
	o := p.options
	args, env := []string{"serve", "--config", p.Path("proxy.toml")}, o.Env
	if o.NoFile {
		args, env = args[:1], append([]string{"PORTERO_LISTEN=" + p.Address, "PORTERO_ADMIN_ADDRESS=" + p.Admin}, env...)
	}
	p.process, err = p.site.start(command{
		path: o.Program, args: args, env: env,
		dir: p.site.dir, log: log, out: o.Output, orphaned: syscall.SIGKILL,
		space: o.Host.in(),
	})
	return err
}

// Succeed starts another process with the same configuration, which has to have [admin]
// takeover, and waits until the one that was there has ended in good order. From then on
// the new one is meant by all methods.
func (p *Portero) Succeed(ctx context.Context) error {
	old := *p
	p.former++
	if err := p.run(p.Path(fmt.Sprintf("portero-%d.log", p.former))); err != nil {
		return err
	}
	if err := p.WaitReady(ctx); err != nil {
		return err
	}
	status, err := old.Wait(ctx)
	if err == nil && status != 0 {
		err = fmt.Errorf("the old portero ended with exit status %d", status)
	}
	return err
}

// Configure writes its proxy.toml anew, with the same addresses at the end. It is for the
// program to notice that.
func (p *Portero) Configure(config string) error {
	operators := p.options.Operators
	if operators != "" {
		operators += "\n"
	}
	text := fmt.Sprintf("%s\n[admin]\naddress = %q\n%s[[listener]]\naddress = %q\n", config, p.Admin, operators, p.Address)
	return p.WriteFile("proxy.toml", text)
}

// WriteFile puts a file into its directory, in one move.
func (p *Portero) WriteFile(name, text string) error {
	if err := p.site.writeFile(p.Path(name+".new"), text); err != nil {
		return err
	}
	return os.Rename(p.Path(name+".new"), p.Path(name))
}

// Path is that of a file in its directory.
func (p *Portero) Path(name string) string { return p.site.path(name) }

// DSN is a connection string without TLS.
func (p *Portero) DSN(user, password, database string) string {
	return dsn(p.Address, user, password, database)
}

// WaitReady waits until it says that clients are served.
func (p *Portero) WaitReady(ctx context.Context) error {
	return Poll(ctx, "wait until portero is ready", func() error {
		if log := p.Log(); strings.Contains(log, "msg=ready ") || strings.Contains(log, `"msg":"ready"`) {
			return nil
		}
		if err := p.Alive(); err != nil {
			return err
		}
		return errors.New("it does not say so")
	})
}

// Alive is an error with the end of its log when it has ended, after which Poll stops asking.
func (p *Portero) Alive() error {
	if p.process.running() {
		return nil
	}
	return hopeless{errors.New("portero has ended\n" + p.LogTail(20))}
}

// PID is the process ID of the program.
func (p *Portero) PID() int { return p.process.pid() }

// Signal sends sig. It is no error if it has ended.
func (p *Portero) Signal(sig syscall.Signal) { p.process.signal(sig) }

// Wait waits for its end and returns the exit status, -1 if a signal has killed it.
func (p *Portero) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.process.exited:
		return p.process.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("portero has not ended: %w", ctx.Err())
	}
}

// Log is all that it has printed.
func (p *Portero) Log() string {
	text, _ := os.ReadFile(p.process.log) // none before its first word
	return string(text)
}

// LogTail is the end of it.
func (p *Portero) LogTail(lines int) string {
	all := strings.Split(strings.TrimSpace(p.Log()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Get asks the admin side.
func (p *Portero) Get(ctx context.Context, path string) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Admin+path, nil)
	if err != nil {
		return 0, "", err
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// Metrics are the values of all series, each by its name and labels as /metrics writes them.
func (p *Portero) Metrics(ctx context.Context) (map[string]float64, error) {
	status, body, err := p.Get(ctx, "/metrics")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("/metrics: status %d", status)
	}
	if err != nil {
		return nil, err
	}
	series := make(map[string]float64)
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			if series[line[:i]], err = strconv.ParseFloat(line[i+1:], 64); err != nil {
				return nil, fmt.Errorf("/metrics: %w", err)
			}
		}
	}
	return series, nil
}

// stopLimit is for a Portero to end after TERM, before it is killed.
const stopLimit = 20 * time.Second

// Stop ends it by TERM and tells what was wrong with its end. A Portero that had ended before
// is not judged.
func (p *Portero) Stop() error {
	if !p.process.running() {
		return nil
	}
	p.Signal(syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	status, err := p.Wait(ctx)
	if err != nil {
		p.process.kill()
		return err
	}
	if status != 0 {
		return fmt.Errorf("portero ended with exit status %d", status)
	}
	return nil
}

// Close stops it and removes its files.
func (p *Portero) Close() error { return errors.Join(p.Stop(), p.site.close()) }
