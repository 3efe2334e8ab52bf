package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// PostgresOptions shape a single PostgreSQL. The zero value is a fast server that trusts all.
type PostgresOptions struct {
	Port           int               // default: a free one
	Auth           string            // pg_hba method for all but the superuser: trust (default), password, md5, scram-sha-256
	HBA            []string          // pg_hba lines tried before the one of Auth
	Settings       map[string]string // postgresql.conf
	MaxConnections int               // default 100
	Fsync          bool              // default off: nothing here survives the machine anyway
	TLS            bool              // ssl = on, with a certificate of its own
	SQL            []string          // run by the superuser in database postgres after the first start
}

// Postgres is one PostgreSQL server. Its methods are for one goroutine at a time.
type Postgres struct {
	SocketDir   string      // unix_socket_directories
	DataDir     string      //
	Certificate Certificate // with TLS

	port    int
	bin     string
	site    *site
	process *process
}

// StopMode says what a stop does to clients, as pg_ctl's -m.
type StopMode syscall.Signal

const (
	Smart     = StopMode(syscall.SIGTERM) // waits until clients are gone
	Fast      = StopMode(syscall.SIGINT)  // ends clients with 57P01
	Immediate = StopMode(syscall.SIGQUIT) // as a crash, with a word to the clients
)

// StartPostgres makes a database cluster and returns once it answers. The caller closes it.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	ctx, cancel := limit(ctx, startLimit)
	defer cancel()
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	s, err := newSite()
	if err != nil {
		return nil, err
	}
	p := &Postgres{bin: bin, site: s, SocketDir: s.dir, DataDir: s.path("data")}
	err = p.create(o)
	if err == nil {
		err = p.Start(ctx)
	}
	if err == nil {
		err = RunSQL(ctx, p.SuperuserDSN("postgres"), o.SQL...)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start postgres: %w", err), p.Close())
	}
	return p, nil
}

// create runs initdb and writes the configuration.
func (p *Postgres) create(o PostgresOptions) error {
	var given []int
	if o.Port != 0 {
		given = []int{o.Port}
	}
	ports, err := p.site.takePorts(given, 1)
	if err != nil {
		return err
	}
	p.port = ports[0]
	if err := p.site.run(command{
		path: filepath.Join(p.bin, "initdb"),
		args: []string{"--pgdata", p.DataDir, "--username", "postgres", "--auth", "trust",
			"--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"},
		dir: p.site.dir, log: p.site.path("initdb.log"),
	}); err != nil {
		return err
	}
	if o.TLS {
		if p.Certificate, err = p.site.makeCertificate(p.site.dir); err != nil {
			return err
		}
	}
	hba := append([]string{"local all all trust", "host all postgres 127.0.0.1/32 trust"}, o.HBA...)
	hba = append(hba, "host all all 127.0.0.1/32 "+orDefault(o.Auth, "trust"))
	if err := p.site.writeFile(filepath.Join(p.DataDir, "pg_hba.conf"), strings.Join(hba, "\n")+"\n"); err != nil {
		return err
	}
	return p.configure(o)
}

func (p *Postgres) configure(o PostgresOptions) error {
	settings := serverSettings(o.MaxConnections, o.Fsync)
	settings["listen_addresses"] = "127.0.0.1"
	settings["port"] = strconv.Itoa(p.port)
	settings["unix_socket_directories"] = p.SocketDir
	if o.TLS {
		settings["ssl"] = "on"
		settings["ssl_cert_file"] = p.Certificate.Cert
		settings["ssl_key_file"] = p.Certificate.Key
	}
	maps.Copy(settings, o.Settings)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	return p.site.writeFile(filepath.Join(p.DataDir, "postgresql.conf"), text.String())
}

// serverSettings suit many small servers on one small machine.
func serverSettings(maxConnections int, fsync bool) map[string]string {
	if maxConnections == 0 {
		maxConnections = 100
	}
	settings := map[string]string{
		"max_connections":              strconv.Itoa(maxConnections),
		"shared_buffers":               "16MB",
		"max_wal_size":                 "256MB",
		"password_encryption":          "scram-sha-256",
		"log_line_prefix":              "%m [%p] %q%u@%d ",
		"log_connections":              "off",
		"max_worker_processes":         "4",
		"autovacuum_max_workers":       "1",
		"jit":                          "off",
		"logging_collector":            "off",
		"track_io_timing":              "off",
		"checkpoint_timeout":           "15min",
		"wal_receiver_status_interval": "1s",
	}
	if !fsync {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	return settings
}

// Address is the server's host:port.
func (p *Postgres) Address() string { return loopback(p.port) }

// Port is the server's port, the same for TCP and for the socket in SocketDir.
func (p *Postgres) Port() int { return p.port }

// SuperuserDSN is a connection string of user postgres, who needs no password.
func (p *Postgres) SuperuserDSN(database string) string { return superuserDSN(p.Address(), database) }

// DSN is a connection string by TCP without TLS.
func (p *Postgres) DSN(user, password, database string) string {
	return dsn(p.Address(), user, password, database)
}

// Log is the end of what the server logged.
func (p *Postgres) Log() string { return tail(p.site.path("postgres.log")) }

// PID is the postmaster's, or 0 when it is not running.
func (p *Postgres) PID() int { return postmasterPID(p.DataDir) }

// Start starts a stopped or killed server and returns once it answers.
func (p *Postgres) Start(ctx context.Context) error {
	if p.process != nil && p.process.running() {
		return fmt.Errorf("start postgres on %s: it is running", p.Address())
	}
	var err error
	p.process, err = p.site.start(command{
		path: filepath.Join(p.bin, "postgres"), args: []string{"-D", p.DataDir},
		dir: p.site.dir, log: p.site.path("postgres.log"), orphaned: syscall.SIGQUIT,
	})
	if err != nil {
		return err
	}
	return Poll(ctx, "wait for postgres on "+p.Address(), func() error {
		if !p.process.running() {
			return hopeless{errors.New("it ended\n" + tail(p.process.log))}
		}
		return answers(ctx, p.SuperuserDSN("postgres"))
	})
}

// Stop stops the server and returns once it is gone; it can be started again.
func (p *Postgres) Stop(ctx context.Context, mode StopMode) error {
	if p.process == nil || !p.process.running() {
		return nil
	}
	_ = syscall.Kill(p.process.pid(), syscall.Signal(mode))
	select {
	case <-p.process.exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop postgres on %s: %w", p.Address(), ctx.Err())
	}
}

// Kill kills the postmaster and all of its children with SIGKILL and returns when they are
// gone; the server can be started again.
func (p *Postgres) Kill() {
	killPostgres(p.DataDir)
	if p.process != nil {
		p.process.kill()
	}
}

// Suspend stops the postmaster and its children where they are (SIGSTOP): connections stay
// open and nothing answers. Resume lets them go on.
func (p *Postgres) Suspend() { signalAll(p.DataDir, syscall.SIGSTOP) }

// Resume ends what Suspend began.
func (p *Postgres) Resume() { signalAll(p.DataDir, syscall.SIGCONT) }

// Close ends the server, removes its files and waits for both.
func (p *Postgres) Close() error { return p.site.close() }

func signalAll(dir string, sig syscall.Signal) {
	for _, pid := range working(dir) {
		_ = syscall.Kill(pid, sig)
	}
}

func orDefault(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
