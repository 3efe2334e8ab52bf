package admin

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// dial opens a connection that nobody closes before the end of the test.
func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute)) //nolint:errcheck // of an open connection
	return conn
}

// request asks on a connection that stays open, and reads the answer.
func request(t *testing.T, conn net.Conn) error {
	t.Helper()
	fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: portero\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// sockets is how many this process has open: those of the server and those of the test.
func sockets(t *testing.T) (n int) {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

func TestAScraperThatLeavesConnectionsOpenUsesUpNothing(t *testing.T) {
	s := start(t, Options{})
	before := sockets(t)
	const leaks = 10 * MaxConnections
	for i := range leaks {
		conn := dial(t, s)
		if i%2 == 0 { // the others never say a word
			if err := request(t, conn); err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
		}
	}
	for end := time.Now().Add(time.Minute); sockets(t) > before+leaks+MaxConnections; {
		if time.Now().After(end) {
			t.Fatalf("%d sockets for %d clients", sockets(t)-before, leaks)
		}
		<-time.After(time.Millisecond)
	}
	if response, _ := ask(t, s, "GET", "/healthz"); response.StatusCode != 200 {
		t.Errorf("answered %d", response.StatusCode)
	}
}

func TestARequestBeingAnsweredIsNotCutForANewcomer(t *testing.T) {
	answer := make(chan struct{})
	asked := make(chan struct{}, MaxConnections)
	s := start(t, Options{Ready: func([]string) ([]Check, error) {
		asked <- struct{}{}
		<-answer
		return nil, nil
	}})
	var busy []net.Conn
	for range MaxConnections {
		conn := dial(t, s)
		fmt.Fprintf(conn, "GET /readyz HTTP/1.1\r\nHost: portero\r\n\r\n")
		busy = append(busy, conn)
		<-asked
	}
	if err := request(t, dial(t, s)); err == nil {
		t.Error("there is no bound")
	}
	close(answer)
	for i, conn := range busy {
		if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || response.StatusCode != 200 {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	if err := request(t, dial(t, s)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
