package proxy_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// flood has n attacks run, some of them at a time, and returns what went wrong
// with them.
func flood(n, atATime int, attack func(i int) error, meanwhile func()) []error {
	var mu sync.Mutex
	var faults []error
	var next atomic.Int64
	var running sync.WaitGroup
	over := make(chan struct{})
	for range atATime {
		running.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := attack(i); err != nil {
					mu.Lock()
					faults = append(faults, fmt.Errorf("attack %d: %w", i, err))
					mu.Unlock()
				}
			}
		})
	}
	go func() { running.Wait(); close(over) }()
	for {
		meanwhile()
		select {
		case <-over:
			return faults
		default:
		}
	}
}

// report tells of the first few faults.
func report(t *testing.T, faults []error) {
	t.Helper()
	for i, err := range faults {
		if i == 5 {
			t.Errorf("and %d more", len(faults)-i)
			return
		}
		t.Error(err)
	}
}

// cancelBy sends a cancel request and returns what it is answered.
func (w *world) cancelBy(pid uint32, secret []byte) error {
	conn, err := net.Dial("tcp", w.address())
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * patience))
	b, err := (&pgproto3.CancelRequest{ProcessID: pid, SecretKey: secret}).Encode(nil)
	if err != nil {
		return err
	}
	if _, err := conn.Write(b); err != nil {
		return err
	}
	if answer, err := io.ReadAll(conn); err != nil || len(answer) > 0 {
		return fmt.Errorf("answered %q, %v", answer, err)
	}
	return nil
}

// TestAttackByCancelRequests: guessed keys hit nobody, right ones only the one
// query that they are for, however many come at once; no request is answered.
func TestAttackByCancelRequests(t *testing.T) {
	w := start(t, loops(2))
	b := w.bystand(w.dsn("app", ""))
	seed := seedOf(t)
	faults := flood(1000, 50, func(i int) error {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		pid := []uint32{b.conn.PID(), r.Uint32(), 0, uint32(r.IntN(20))}[i%4]
		secret := binary.BigEndian.AppendUint32(nil, r.Uint32())
		if i%10 == 9 {
			secret = bytes.Repeat(secret, 1+r.IntN(60))
		}
		return w.cancelBy(pid, secret)
	}, func() { b.served(t) })
	report(t, faults)

	r := w.dial()
	r.send(q("select pg_sleep(60)"))
	eventually(t, "asleep", func() bool { // it, and not the bystander, who sleeps too, on any server
		return superuser(t, "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query = 'select pg_sleep(60)'") == "1"
	})
	report(t, flood(100, 50, func(int) error { return w.cancelBy(r.id, r.secret) }, func() { b.served(t) }))
	r.expect("T E(ERROR_57014) Z(I)")
	for range 20 {
		r.ask("T D() C(SELECT_1) Z(I)", q("select pg_sleep(0.001)"))
	}
	r.quit()
	b.leave()
}

// seedOf is the seed of a test's dice: of the environment, to repeat a run.
func seedOf(t *testing.T) uint64 {
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d: SEED=%d repeats it", seed, seed)
	return seed
}

// TestAttackByRandomBytes throws them at each stage of a client's life. What
// comes back is a proper message or nothing, and nothing of it stays.
func TestAttackByRandomBytes(t *testing.T) {
	w := start(t, loops(2), size(8), secured(t, "prefer"), authBy(t, "scram-sha-256", user("scrammer", "secret"), user("app", "secret")))
	b := w.bystand(w.dsn("scrammer", "secret"))
	seed := seedOf(t)
	vandals := []func(w *world, r *rand.Rand) error{noise, noiseInStartup, noiseInTLS, noiseBehindTLSRequest, noiseInSCRAM, noiseInSession}
	const connections = 2000
	began := b.asked.Load()
	grown := heapGrowth(func(look func()) {
		faults := flood(connections, 40, func(i int) error {
			return vandals[i%len(vandals)](w, rand.New(rand.NewPCG(seed, uint64(i))))
		}, func() { b.served(t); look() })
		report(t, faults)
	})
	t.Logf("the bystander was served %d times; the heap grew by %d kB", b.asked.Load()-began, grown>>10)
	b.leave()
	if grown > 8*maxGrowth {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if left := heapGrowth(func(look func()) { look() }); left > maxGrowth {
		t.Errorf("%d bytes are left", left)
	}
}

func randomBytes(r *rand.Rand, most int) []byte {
	b := make([]byte, 1+r.IntN(most))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// throw sends, closes the way to the proxy and returns all that comes back.
func (w *world) throw(b []byte) ([]byte, error) {
	conn, err := net.Dial("tcp", w.address())
	if err != nil {
		return nil, err
	}
	return throwInto(conn, b)
}

func throwInto(conn net.Conn, b []byte) ([]byte, error) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * patience))
	conn.Write(b) //nolint:errcheck // it may be closed already: the answer tells
	if half, ok := conn.(*net.TCPConn); ok {
		half.CloseWrite() //nolint:errcheck // as above
	}
	answer, err := io.ReadAll(conn)
	switch {
	case errors.Is(err, syscall.ECONNRESET): // bytes were left unread
		err = nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = forgotten(conn, b, answer, err)
	}
	return answer, err
}

// forgotten tells all that there is to know of a connection that was not closed:
// what was sent and answered, both its ends as the kernel has them, and what
// every goroutine does. Without a line for the proxy's end, the proxy has closed
// it, or never had it.
func forgotten(conn net.Conn, sent, answer []byte, err error) error {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
	n, _ := strconv.Atoi(port)
	return fmt.Errorf("%w\n%s to %s\nsent %q\nanswered %q\nboth ends, of /proc/net/tcp:\n%s%s",
		err, conn.LocalAddr(), conn.RemoteAddr(), sent, answer, linesWith("/proc/net/tcp", fmt.Sprintf(":%04X ", n)), stacks)
}

// linesWith is the lines of a file that hold text.
func linesWith(file, text string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error() + "\n"
	}
	var found strings.Builder
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, text) {
			found.WriteString(line)
		}
	}
	return found.String()
}

// wordsOf reads an answer, which must be of whole messages.
func wordsOf(answer []byte) (string, error) {
	fe := pgproto3.NewFrontend(bytes.NewReader(answer), io.Discard)
	var words []string
	for rest := answer; len(rest) > 0; {
		f, ok, err := wire.Next(rest)
		if err != nil || !ok || !f.Whole() {
			return "", fmt.Errorf("answered %q", answer)
		}
		rest = rest[wire.HeaderLen+f.Size:]
		m, err := fe.Receive()
		if err != nil {
			return "", fmt.Errorf("answered %q: %w", answer, err)
		}
		words = append(words, word(m))
	}
	return strings.Join(words, " "), nil
}

// answered checks what came back against the answers that are right.
func answered(b []byte, err error, right ...string) error {
	if err != nil {
		return err
	}
	words, err := wordsOf(b)
	if err != nil {
		return err
	}
	for _, one := range right {
		if words == one || strings.HasSuffix(one, "*") && strings.HasPrefix(words, one[:len(one)-1]) {
			return nil
		}
	}
	return fmt.Errorf("answered %s", words)
}

// isAlert reports whether an answer is TLS's own, which ends a handshake.
func isAlert(b []byte) bool { return len(b) == 7 && b[0] == 21 }

func noise(w *world, r *rand.Rand) error {
	b := randomBytes(r, 4096)
	answer, err := w.throw(b)
	if b[0] == 0x16 && (len(answer) == 0 || isAlert(answer)) { // by chance TLS without a request for it
		return err
	}
	return answered(answer, err, "", "E(FATAL_08P01)", "E(FATAL_0A000)")
}

func noiseInStartup(w *world, r *rand.Rand) error {
	body := randomBytes(r, 500)
	if r.IntN(2) == 0 {
		body = append(append([]byte("user\x00app\x00"), body...), 0, 0)
	}
	answer, err := w.throw(startupPacket(version3|uint32(r.IntN(3)), string(body)))
	return answered(answer, err, "E(FATAL_*", "*pgproto3.NegotiateProtocolVersion E(FATAL_*",
		"*pgproto3.AuthenticationSASL", "*pgproto3.NegotiateProtocolVersion *pgproto3.AuthenticationSASL")
}

func noiseInTLS(w *world, r *rand.Rand) error {
	answer, err := w.throw(append([]byte{0x16}, randomBytes(r, 4096)...))
	if len(answer) > 0 && !isAlert(answer) {
		return fmt.Errorf("answered %q", answer)
	}
	return err
}

func noiseBehindTLSRequest(w *world, r *rand.Rand) error {
	if r.IntN(2) == 0 {
		answer, err := w.throw(append(bytes.Clone(sslRequest), randomBytes(r, 4096)...))
		return answered(answer, err, "E(FATAL_08P01)")
	}
	conn, err := net.Dial("tcp", w.address())
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(patience))
	conn.Write(sslRequest) //nolint:errcheck // the answer tells
	yes := make([]byte, 1)
	if _, err := io.ReadFull(conn, yes); err != nil || yes[0] != 'S' {
		conn.Close()
		return fmt.Errorf("asked for TLS, answered %q, %w", yes, err)
	}
	answer, err := throwInto(conn, randomBytes(r, 4096))
	if len(answer) > 0 && !isAlert(answer) {
		return fmt.Errorf("answered %q in place of TLS", answer)
	}
	return err
}

func noiseInSCRAM(w *world, r *rand.Rand) error {
	b := startupPacket(version3, "user\x00"+[]string{"scrammer", "app", "nobody"}[r.IntN(3)]+"\x00database\x00app\x00\x00")
	if r.IntN(2) == 0 {
		b = append(b, 'p')
		noise := randomBytes(r, 300)
		b = append(binary.BigEndian.AppendUint32(b, uint32(4+len(noise))), noise...)
	}
	if r.IntN(2) == 0 {
		b, _ = clientFirst("n,,n=,r=x").Encode(b) // it is short
	}
	answer, err := w.throw(append(b, randomBytes(r, 300)...))
	return answered(answer, err, "*pgproto3.AuthenticationSASL E(FATAL_08P01)", "*pgproto3.AuthenticationSASL",
		"*pgproto3.AuthenticationSASL *pgproto3.AuthenticationSASLContinue", "*pgproto3.AuthenticationSASL *pgproto3.AuthenticationSASLContinue E(FATAL_08P01)")
}

// noiseInSession throws at a session, by chance in the form of messages.
func noiseInSession(w *world, r *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgconn.Connect(ctx, w.dsn("scrammer", "secret"))
	if err != nil {
		return err
	}
	h, err := c.Hijack()
	if err != nil {
		return err
	}
	var b []byte
	for range r.IntN(4) {
		body := randomBytes(r, 200)
		b = append(b, "QPBEDCSHFdcf?"[r.IntN(13)])
		b = append(binary.BigEndian.AppendUint32(b, uint32(4+len(body))), body...)
	}
	if r.IntN(2) == 0 {
		b = append(b, randomBytes(r, 2000)...)
	}
	answer, err := throwInto(h.Conn, b)
	if err == nil {
		_, err = wordsOf(answer)
	}
	return err
}
