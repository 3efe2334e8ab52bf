package top

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Console reads the tables of a console, and connects again where it has lost it. It is for
// one goroutine.
type Console struct {
	ways   []*pgconn.Config // to try, in turn
	conn   *pgconn.PgConn   // nil: not connected
	lacks  string           // see LacksPassword
	absent map[string]bool  // tables that this one does not have
	config table            // of a console that has no SHOW PORTERO: it does not change
}

// NewConsole does not connect yet. The first of the ways by which it gets in is kept to as
// long as it works.
func NewConsole(ways ...*pgconn.Config) *Console { return &Console{ways: ways} }

// patience is the most that a sample, or one way to connect, may take.
const patience = 10 * time.Second

// sample reads tables. It blocks on the network, for patience at most where it is connected; else
// see Connect. After an error the next call connects again.
func (c *Console) sample(ctx context.Context, tables []string) (*sample, error) {
	if err := c.Connect(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s := &sample{at: time.Now(), target: c.Target(), tables: make(map[string]table)}
	for _, name := range tables {
		t, err := c.read(ctx, name)
		if err != nil {
			c.close()
			return nil, fmt.Errorf("%s: %w", c.Target(), err)
		}
		s.tables[name] = t
	}
	return s, nil
}

// Connect connects, if it is not connected. It blocks on the network, for 10 s at most for each
// of the ways. The error has a line for each.
func (c *Console) Connect(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	var all []error
	c.lacks = ""
	for i, way := range c.ways {
		conn, err := c.try(ctx, way)
		if err == nil {
			c.conn, c.absent, c.config = conn, make(map[string]bool), table{}
			c.ways[0], c.ways[i] = c.ways[i], c.ways[0]
			return nil
		}
		if said, ok := errors.AsType[*pgconn.PgError](err); ok && said.Code == invalidPassword && way.Password == "" {
			c.lacks = way.User
		}
		all = append(all, inShort(err))
	}
	return errors.Join(all...)
}

func (c *Console) try(ctx context.Context, way *pgconn.Config) (*pgconn.PgConn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return pgconn.ConnectConfig(ctx, way) //nolint:wrapcheck // it says all
}

// invalidPassword is the SQLSTATE of a password that is wrong, or missing.
const invalidPassword = "28P01"

// LacksPassword is the user whom the console has refused last for a password that was not
// given; "" if there is none.
func (c *Console) LacksPassword() (user string) { return c.lacks }

// SetPassword gives a user's password to all ways that go by it.
func (c *Console) SetPassword(user, password string) {
	for _, way := range c.ways {
		if way.User == user {
			way.Password = password
		}
	}
}

// inShort is an error in one printable line: what the server says, if it was the server that
// refused.
func inShort(err error) error {
	text := err.Error()
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		text = fmt.Sprintf("%s (SQLSTATE %s)", said.Message, said.Code)
	}
	text = strings.NewReplacer(":\n\t", ": ", "\n\t", "; ").Replace(text) // a line for each host
	return errors.New(printable(strings.Join(strings.Fields(text), " ")))
}

// Target is where the console is, in words.
func (c *Console) Target() string {
	way := c.ways[0]
	return fmt.Sprintf("%s@%s:%d", way.User, way.Host, way.Port)
}

// read asks for one table. One that the console does not have is no error, and is not asked
// for again.
func (c *Console) read(ctx context.Context, name string) (table, error) {
	switch {
	case c.absent[name]:
		return table{missing: true}, nil
	case name == "config" && !c.absent["portero"]: // which says what matters of it
		return table{}, nil
	case name == "config" && c.config.columns != nil:
		return c.config, nil
	}
	results, err := c.conn.Exec(ctx, "SHOW "+name).ReadAll()
	if said, ok := errors.AsType[*pgconn.PgError](err); ok && !c.conn.IsClosed() && said.Severity != "FATAL" {
		if name == "version" {
			return table{}, fmt.Errorf("database \"%s\" is no console: %w", c.ways[0].Database, inShort(err))
		}
		c.absent[name] = true
		return table{missing: true}, nil
	}
	if err != nil {
		return table{}, inShort(err)
	}
	t := tableOf(results)
	if name == "config" {
		c.config = t
	}
	return t, nil
}

func tableOf(results []*pgconn.Result) (t table) {
	if len(results) == 0 {
		return t
	}
	for _, f := range results[0].FieldDescriptions {
		t.columns = append(t.columns, f.Name)
	}
	for _, values := range results[0].Rows {
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = string(v)
		}
		t.rows = append(t.rows, texts)
	}
	return t
}

// close ends the connection; the next sample opens another.
func (c *Console) close() {
	if c.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.conn.Close(ctx) //nolint:errcheck // it is not used again
	c.conn = nil
}

// sampler takes samples for somebody who must not be kept waiting.
type sampler struct {
	console *Console
	asked   chan []string
	taken   chan taken
}

// taken is what has become of a sample that was asked for.
type taken struct {
	sample *sample
	err    error
}

func newSampler(c *Console) *sampler {
	return &sampler{console: c, asked: make(chan []string, 1), taken: make(chan taken, 1)}
}

// run takes a sample for each that is asked for, until ctx ends.
func (s *sampler) run(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	defer s.console.close()
	for {
		select {
		case <-ctx.Done():
			return
		case tables := <-s.asked:
			t := s.take(ctx, tables)
			select {
			case s.taken <- t:
			case <-ctx.Done():
				return
			}
		}
	}
}

// take makes a panic an error: the terminal is to be given back by who has it.
func (s *sampler) take(ctx context.Context, tables []string) (t taken) {
	defer func() {
		if v := recover(); v != nil {
			s.console.close()
			t = taken{err: fmt.Errorf("panic: %v", v)}
		}
	}()
	t.sample, t.err = s.console.sample(ctx, tables)
	return t
}

// hasAll reports whether a sample has the tables that are wanted.
func (s *sample) hasAll(tables []string) bool {
	return s != nil && !slices.ContainsFunc(tables, func(name string) bool { _, read := s.tables[name]; return !read })
}
