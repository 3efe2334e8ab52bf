package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// reader is a client that reads the same large result again and again: a piece as fast as it
// comes, then a pause as if it worked on it, in which all buffers on the way fill up. Whoever
// started it calls stop.
type reader struct {
	conn  net.Conn
	on    processors
	since time.Time
	most  int64         // bytes after which nothing more comes
	ended chan struct{} // closed when it has; got and err are valid from then on
	got   int64
	err   error
}

const (
	piece = 8 << 20 // bytes
	pause = 10 * time.Millisecond
)

// rowSize is the length of a row of the result: large, so that it costs PostgreSQL little.
const rowSize = 10_000

// startReader logs in and asks for the result as often as nobody could read it in the time.
func startReader(ctx context.Context, on processors, port int, encrypted bool, megabytes int, most time.Duration) (*reader, error) {
	c, err := dial(ctx, port)
	if err != nil {
		return nil, err
	}
	if encrypted {
		err = c.encrypt()
	}
	if err == nil {
		err = c.enter()
	}
	if err != nil {
		return nil, errors.Join(err, c.conn.Close())
	}
	const fastest = 4000 // MB/s
	times := 1 + int(most.Seconds()*fastest)/megabytes
	rows := megabytes * 1_000_000 / rowSize
	sql := fmt.Sprintf("select repeat('x', %d) from generate_series(1, %d)", rowSize, rows)
	r := &reader{conn: c.conn, on: on, since: time.Now(), most: int64(times) * int64(rows) * rowSize, ended: make(chan struct{})}
	frontend := pgproto3.NewFrontend(c.conn, c.conn)
	for range times {
		frontend.Send(&pgproto3.Query{String: sql})
	}
	if err := frontend.Flush(); err != nil {
		return nil, errors.Join(err, c.conn.Close())
	}
	if t, ok := c.conn.(*tls.Conn); ok {
		r.conn = t.NetConn() // it is spared the decrypting
	}
	go r.read()
	return r, nil
}

// findServer returns the server process that answers a reader, as soon as there is one.
func findServer(ctx context.Context, port int) (pid int, err error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=%s sslmode=disable", port, dbUser, dbName))
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	const find = "select pid from pg_stat_activity where state = 'active' and query like 'select repeat(%'"
	for {
		err := conn.QueryRow(ctx, find).Scan(&pid)
		if err == nil {
			return pid, nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return 0, fmt.Errorf("find the server of the reading client: %w", err)
		}
	}
}

func (r *reader) read() {
	defer close(r.ended)
	// The thread ends with this function, as it is not unlocked.
	runtime.LockOSThread()
	if r.err = use(&r.on.reading, 0); r.err != nil {
		return
	}
	buf := make([]byte, 256<<10)
	for next := int64(piece); r.got < r.most; {
		n, err := r.conn.Read(buf)
		r.got += int64(n)
		if err != nil {
			r.err = err
			return
		}
		if r.got >= next {
			next += piece
			time.Sleep(pause)
		}
	}
	r.err = errors.New("it has read all that it asked for")
}

// stop ends it and returns how many bytes it has read per second. That it ended before is an
// error: it was not there for all of the time.
func (r *reader) stop() (float64, error) {
	select {
	case <-r.ended:
		return 0, errors.Join(fmt.Errorf("the reading client: %w", r.err), r.conn.Close())
	default:
	}
	passed := time.Since(r.since)
	err := r.conn.SetDeadline(time.Unix(1, 0))
	<-r.ended
	return float64(r.got) / passed.Seconds(), errors.Join(err, r.conn.Close())
}

// encrypt asks for TLS and goes over to it.
func (c *client) encrypt() error {
	if err := c.conn.SetDeadline(time.Now().Add(clientTimeout)); err != nil {
		return err
	}
	request, err := (&pgproto3.SSLRequest{}).Encode(nil)
	if err != nil {
		return err
	}
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(c.conn, answer); err != nil || answer[0] != 'S' {
		return fmt.Errorf("ask for TLS: %q, %w", answer, err)
	}
	secured := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	c.conn = secured
	return secured.Handshake()
}
