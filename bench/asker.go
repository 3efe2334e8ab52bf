package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sys/unix"
)

// thinking is the most that a client waits before it asks again. It asks at any moment, not
// only when it has just been answered: else it would meet each hold-up but once.
const thinking = time.Millisecond

// askForAWhile asks `select 1` through a chain, in the clear, and returns what each took, in
// µs, sorted.
func askForAWhile(ctx context.Context, through *chain, during time.Duration) ([]int64, error) {
	c, err := login(ctx, through.port, false)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	// Read and written by blocking calls, without Go's poller in between.
	file, err := c.conn.(*net.TCPConn).File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fd := int(file.Fd())
	limit := unix.NsecToTimeval(int64(clientTimeout))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return nil, err
	}
	question, err := (&pgproto3.Query{String: "select 1"}).Encode(nil)
	if err != nil {
		return nil, err
	}
	var took []int64
	for start := time.Now(); time.Since(start) < warmUp+during; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		time.Sleep(rand.N(thinking))
		asked := time.Now()
		if err := roundTrip(fd, question); err != nil {
			return nil, fmt.Errorf("select 1: %w", err)
		}
		if asked.Sub(start) >= warmUp {
			took = append(took, time.Since(asked).Microseconds())
		}
	}
	slices.Sort(took)
	return took, nil
}

// roundTrip sends a question and reads to the ReadyForQuery that ends its answer.
func roundTrip(fd int, question []byte) error {
	if _, err := unix.Write(fd, question); err != nil {
		return err
	}
	const end = "Z\x00\x00\x00\x05I"
	var answer []byte
	buf := make([]byte, 1024)
	for len(answer) < len(end) || string(answer[len(answer)-len(end):]) != end {
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return fmt.Errorf("after %d bytes: %w", len(answer), err)
		}
		answer = append(answer, buf[:n]...)
	}
	if answer[0] == 'E' {
		return fmt.Errorf("answered by an error: %q", answer)
	}
	return nil
}
