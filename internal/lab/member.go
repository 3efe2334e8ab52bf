package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"syscall"
)

// Member is one PostgreSQL server and the Patroni that looks after it.
type Member struct {
	Name      string // g0m1: member 1 of group 0
	Address   string // host:port of PostgreSQL
	REST      string // host:port of Patroni's REST interface
	DataDir   string
	SocketDir string
	Host      *NetworkHost // where it runs, in a cluster with a Network

	group   *Group
	tags    object // of its configuration
	dir     string
	log     string
	patroni *process
}

// Restart starts Patroni, which starts PostgreSQL, after a kill. It returns at once; what is
// waited for is the group's health.
func (m *Member) Restart() error {
	if m.patroni != nil && m.patroni.running() {
		return fmt.Errorf("start patroni of %s: it is running", m.Name)
	}
	c := m.group.cluster
	var err error
	m.patroni, err = c.site.start(command{
		path: c.patroni, args: []string{m.configPath()},
		dir: m.dir, log: m.log, orphaned: syscall.SIGKILL, space: m.Host.in(),
	})
	return err
}

// move gives a member that has not been started yet a host of its own.
func (m *Member) move(h *NetworkHost) {
	m.Host = h
	m.Address, m.REST = h.serve(m.Address), h.serve(m.REST)
}

// KillPostgres kills the postmaster and all of its children with SIGKILL, as a crash, and
// returns when they are gone. Patroni lives and sees to it.
func (m *Member) KillPostgres() { killPostgres(m.DataDir) }

// KillAll kills Patroni, PostgreSQL and whatever they run with SIGKILL, as a host that dies,
// and returns when they are gone.
func (m *Member) KillAll() {
	m.patroni.signal(syscall.SIGKILL)
	killPostgres(m.DataDir)
	endAll(m.dir, syscall.SIGKILL, 0)
	m.patroni.kill()
}

// Reinitialize kills what is left of the member, removes its data and starts it, so that it
// copies the leader's.
func (m *Member) Reinitialize() error {
	m.KillAll()
	if err := os.RemoveAll(m.DataDir); err != nil {
		return err
	}
	return m.Restart()
}

// StopPatroni ends Patroni in good order, which stops PostgreSQL and gives up the leader key.
func (m *Member) StopPatroni(ctx context.Context) error {
	m.patroni.signal(syscall.SIGTERM)
	select {
	case <-m.patroni.exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop patroni of %s: %w", m.Name, ctx.Err())
	}
}

// KillPatroni kills Patroni alone with SIGKILL; PostgreSQL goes on.
func (m *Member) KillPatroni() { m.patroni.kill() }

// RestartPostgres has Patroni stop PostgreSQL and start it where it is, and returns once that
// is done.
func (m *Member) RestartPostgres(ctx context.Context) error {
	_, err := m.ask(ctx, http.MethodPost, "/restart", object{})
	return err
}

// MakeAnew has Patroni throw the member's data away and copy the leader's (patronictl reinit),
// and returns once PostgreSQL is down for it.
func (m *Member) MakeAnew(ctx context.Context) error {
	before := m.PID()
	if _, err := m.ask(ctx, http.MethodPost, "/reinitialize", object{"force": true}); err != nil {
		return err
	}
	return Poll(ctx, "wait until "+m.Name+" is made anew", func() error {
		if m.PID() == before {
			return errors.New("it still runs")
		}
		return nil
	})
}

// SetTags changes the tags in the member's configuration, which its Patroni reads when it is
// started, or told to by Reload.
func (m *Member) SetTags(tags map[string]any) error {
	m.tags = tags
	return m.writeConfig()
}

// Reload has Patroni read its configuration again, which it does in its next loop.
func (m *Member) Reload(ctx context.Context) error {
	_, err := m.ask(ctx, http.MethodPost, "/reload", object{})
	return err
}

// SuspendPatroni stops Patroni where it is (SIGSTOP): its lease runs out while PostgreSQL
// goes on taking writes.
func (m *Member) SuspendPatroni() { m.patroni.signal(syscall.SIGSTOP) }

// ResumePatroni ends what SuspendPatroni began.
func (m *Member) ResumePatroni() { m.patroni.signal(syscall.SIGCONT) }

// SuspendPostgres stops the postmaster and its children where they are (SIGSTOP): connections
// stay open and nothing answers.
func (m *Member) SuspendPostgres() { signalAll(m.DataDir, syscall.SIGSTOP) }

// ResumePostgres ends what SuspendPostgres began.
func (m *Member) ResumePostgres() { signalAll(m.DataDir, syscall.SIGCONT) }

// PID is the postmaster's, or 0 when it is not running.
func (m *Member) PID() int { return postmasterPID(m.DataDir) }

// SuperuserDSN is a connection string of user postgres, who needs no password.
func (m *Member) SuperuserDSN(database string) string { return superuserDSN(m.Address, database) }

// DSN is a connection string by TCP without TLS.
func (m *Member) DSN(user, password, database string) string {
	return dsn(m.Address, user, password, database)
}

// IsWritable tells whether PostgreSQL answers and is not in recovery.
func (m *Member) IsWritable(ctx context.Context) (bool, error) {
	return queryOne[bool](ctx, m.SuperuserDSN("postgres"), "select not pg_is_in_recovery()")
}

// Log is the end of what Patroni and PostgreSQL logged.
func (m *Member) Log() string { return tail(m.log) }

// alive is an error when Patroni has ended.
func (m *Member) alive() error {
	if m.patroni == nil || !m.patroni.running() {
		return errors.New("patroni of " + m.Name + " ended\n" + m.Log())
	}
	return nil
}
