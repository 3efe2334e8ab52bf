package loop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func testCertificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// adoptTLS is adopt with a TLS handshake before; the far end is a client.
func adoptTLS(t testing.TB, l *Loop, version uint16) (*peer, *tls.Conn) {
	t.Helper()
	near, far := tcpPair(t)
	server := tls.Server(&Transport{Conn: near}, &tls.Config{Certificates: []tls.Certificate{testCertificate(t)}, MaxVersion: version})
	client := tls.Client(far, &tls.Config{InsecureSkipVerify: true})
	hands := make(chan error, 1)
	go func() { hands <- client.Handshake() }()
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-hands; err != nil {
		t.Fatal(err)
	}
	p := &peer{}
	if err := p.sock.Open(server, p); err != nil {
		t.Fatal(err)
	}
	do(t, l, func() {
		if err := p.sock.Attach(l); err != nil {
			t.Error(err)
		}
	})
	return p, client
}

func TestTLSCarriesLargeTransfersBothWays(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			l := startLoop(t, 0)
			p, far := adoptTLS(t, l, version)
			do(t, l, func() { unix.SetsockoptInt(int(p.sock.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 8192) })
			e := startEcho(t, l, p)
			data := randomBytes(8 << 20)
			if !bytes.Equal(bounce(t, far, data), data) {
				t.Error("they differ")
			}
			far.Close()
			if err := <-e.done; err != io.EOF && !isReset(err) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestTLSWritesWhilePendingKeepTheirOrder(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adoptTLS(t, l, 0)
	data := randomBytes(16 << 20)
	do(t, l, func() {
		p.task = l.Start(runnerFunc(func(task *Task) {
			for p.sock.Pending() > 0 {
				task.Park()
				p.sock.Flush()
			}
		}))
		for i := 0; i < len(data); i += 1 << 16 {
			if err := p.sock.Write(data[i : i+1<<16]); err != nil {
				t.Error(err)
			}
		}
		if p.sock.Pending() == 0 {
			t.Error("nothing is pending")
		}
	})
	got := make([]byte, len(data))
	if _, err := io.ReadFull(far, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Error("bytes were lost or mixed up")
	}
}

// A record that arrives byte by byte is no error and loses nothing.
func TestTLSReadGoesOnAfterPartOfARecord(t *testing.T) {
	l := startLoop(t, 0)
	near, far := tcpPair(t)
	server := tls.Server(&Transport{Conn: near}, &tls.Config{Certificates: []tls.Certificate{testCertificate(t)}})
	drip := &dripping{Conn: far}
	client := tls.Client(drip, &tls.Config{InsecureSkipVerify: true})
	hands := make(chan error, 1)
	go func() { hands <- client.Handshake() }()
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-hands; err != nil {
		t.Fatal(err)
	}
	p := &peer{}
	if err := p.sock.Open(server, p); err != nil {
		t.Fatal(err)
	}
	drip.loop, drip.t = l, t
	do(t, l, func() { p.sock.Attach(l) })
	startEcho(t, l, p)
	data := randomBytes(300)
	if !bytes.Equal(bounce(t, client, data), data) {
		t.Error("they differ")
	}
}

// dripping writes one byte at a time and lets the loop read each.
type dripping struct {
	net.Conn
	loop *Loop
	t    *testing.T
}

func (d *dripping) Write(b []byte) (int, error) {
	if d.loop == nil {
		return d.Conn.Write(b)
	}
	for i := range b {
		if _, err := d.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
		do(d.t, d.loop, func() {})
	}
	return len(b), nil
}

func TestTLSCloseIsToldToThePeer(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adoptTLS(t, l, 0)
	do(t, l, func() {
		p.sock.Write([]byte("bye"))
		p.sock.Close()
	})
	got, err := io.ReadAll(far) // nil only after close_notify
	if string(got) != "bye" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTLSReadSeesCloseNotifyAsTheEnd(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adoptTLS(t, l, 0)
	far.CloseWrite()
	eventually(t, "the end", func() bool {
		var err error
		do(t, l, func() { _, err = p.sock.Read(l.Scratch()) })
		return err == io.EOF
	})
	do(t, l, func() {
		if err := p.sock.Write([]byte("still")); err != nil {
			t.Error(err)
		}
		p.sock.Close()
	})
	if got, err := io.ReadAll(far); string(got) != "still" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTLSGarbageIsAnErrorAndNotAPanic(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adoptTLS(t, l, 0)
	far.NetConn().Write([]byte("this is no TLS record at all"))
	eventually(t, "an error", func() bool {
		var err error
		do(t, l, func() { _, err = p.sock.Read(l.Scratch()) })
		return err != nil && err != ErrNotNow && err != io.EOF
	})
	do(t, l, p.sock.Close)
}

// Only another implementation asks for a KeyUpdate (RFC 8446, 4.6.3): openssl
// s_client does at a line that is "K", and wants ours in return.
func TestTLSKeyUpdateIsAnswered(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil && testing.Short() {
		t.Skip("needs openssl")
	}
	if err != nil {
		t.Fatal("needs openssl, which make test installs: ", err)
	}
	l := startLoop(t, 0)
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	cmd := exec.CommandContext(t.Context(), openssl, "s_client", "-connect", door.Addr().String(), "-tls1_3")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	said, _ := cmd.StderrPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	near, err := door.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server := tls.Server(&Transport{Conn: near}, &tls.Config{Certificates: []tls.Certificate{testCertificate(t)}})
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	p := &peer{}
	if err := p.sock.Open(server, p); err != nil {
		t.Fatal(err)
	}
	do(t, l, func() { p.sock.Attach(l) })
	startEcho(t, l, p)
	heard, noted := make(chan string, 1000), make(chan string, 1000)
	go hear(out, heard)
	go hear(said, noted)
	for _, word := range []string{"first", "second", "third"} {
		io.WriteString(in, word+"\n")
		waitLine(t, heard, word)
		io.WriteString(in, "K\n")
		waitLine(t, noted, "KEYUPDATE") // it takes only what it reads by itself for a command
	}
}

func hear(r io.Reader, heard chan<- string) {
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		heard <- string(buf[:n])
		if err != nil {
			return
		}
	}
}

func waitLine(t *testing.T, heard <-chan string, want string) {
	t.Helper()
	end := time.After(patience)
	text := ""
	for !strings.Contains(text, want) {
		select {
		case s := <-heard:
			text += s
		case <-end:
			t.Fatalf("%q did not come back; heard %q", want, text)
		}
	}
}

func TestOpenRefusesTLSThatItCannotRead(t *testing.T) {
	near, far := tcpPair(t)
	defer near.Close()
	var s Socket
	if err := s.Open(tls.Server(near, &tls.Config{}), &peer{}); err == nil {
		t.Error("adopted a tls.Conn over a blocking net.Conn")
	}
	far.Close()
}
