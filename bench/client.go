package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/auth"
	"portero/wire"
)

// client is one logged-in session of the bench's own. It owns no goroutine, and no
// buffer between two calls.
type client struct{ conn net.Conn }

// clientTimeout bounds each dial, login and query.
const clientTimeout = 10 * time.Second

// login connects to a port of loopback and waits until it may send a query.
func login(ctx context.Context, port int, encrypted bool) (client, error) {
	c, err := dial(ctx, port)
	if err != nil {
		return client{}, err
	}
	if encrypted {
		err = c.encrypt()
	}
	if err == nil {
		err = c.enter()
	}
	if err != nil {
		return client{}, errors.Join(fmt.Errorf("log in at %s: %w", loopback(port), err), c.conn.Close())
	}
	return c, nil
}

// login is that of one of the chain's clients.
func (c *chain) login(ctx context.Context) (client, error) {
	return login(ctx, c.port, c.door.encrypted)
}

func dial(ctx context.Context, port int) (client, error) {
	dialer := net.Dialer{Timeout: clientTimeout, KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", loopback(port))
	return client{conn: conn}, err
}

// enter logs in on a connection, as Portero does to servers: there is one SCRAM in the house, and
// it derives the keys of a password once. A client that did so at each login would cost more
// than the proxy does. It binds to no certificate, which both proxies also let in.
func (c client) enter() error {
	if err := c.conn.SetDeadline(time.Now().Add(clientTimeout)); err != nil {
		return err
	}
	_, err := auth.Login(wire.NewStream(c.conn), auth.LoginParams{
		User: dbUser, Database: dbName, Credentials: auth.Password(password),
		Parameters: []wire.Parameter{{Name: "application_name", Value: "bench"}},
	})
	return errors.Join(err, c.conn.SetDeadline(time.Time{}))
}

// query runs one transaction.
func (c client) query() error {
	frontend := pgproto3.NewFrontend(c.conn, c.conn)
	frontend.Send(&pgproto3.Query{String: "select 1"})
	return c.roundTrip(frontend)
}

// roundTrip sends what the frontend holds and reads until ReadyForQuery, after which the
// server is silent, so that the frontend and its read-ahead may be dropped.
func (c client) roundTrip(frontend *pgproto3.Frontend) error {
	if err := c.conn.SetDeadline(time.Now().Add(clientTimeout)); err != nil {
		return err
	}
	if err := frontend.Flush(); err != nil {
		return err
	}
	for {
		message, err := frontend.Receive()
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.ReadyForQuery:
			return c.conn.SetDeadline(time.Time{})
		case *pgproto3.ErrorResponse:
			return fmt.Errorf("%s %s: %s", m.Severity, m.Code, m.Message)
		}
	}
}

// leave says goodbye and closes the connection.
func (c client) leave() error {
	goodbye, err := (&pgproto3.Terminate{}).Encode(nil)
	if err == nil {
		_, err = c.conn.Write(goodbye)
	}
	return errors.Join(err, c.conn.Close())
}

// probe runs one query through the chain as far as it is started.
func (c *chain) probe(ctx context.Context) error {
	client, err := c.login(ctx)
	if err != nil {
		return err
	}
	return errors.Join(client.query(), client.conn.Close())
}

// abreast is how many clients log in at the same time: fewer than the backlog of any
// listener, enough not to wait for round trips.
const abreast = 64

// inParallel calls do(0) to do(n-1), some at a time, and returns the errors of the workers,
// each of which ends at its first error.
func inParallel(ctx context.Context, n int, do func(i int) error) error {
	errs := make([]error, abreast)
	var workers sync.WaitGroup
	for w := range abreast {
		workers.Go(func() {
			for i := w; i < n && errs[w] == nil; i += abreast {
				errs[w] = errors.Join(ctx.Err(), do(i))
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err // one tells as much as sixty-four of the same
		}
	}
	return nil
}
