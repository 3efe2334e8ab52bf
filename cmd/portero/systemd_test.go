package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"portero/internal/lab"
)

// manager is systemd as a service sees it: a socket that is open already, and one to be told
// at.
type manager struct {
	t    *testing.T
	told *net.UnixConn
}

// next is what it is told next, a line each.
func (m *manager) next() string {
	m.t.Helper()
	m.told.SetReadDeadline(time.Now().Add(patience)) //nolint:errcheck // a closed connection fails at its first use
	var b [4096]byte
	n, err := m.told.Read(b[:])
	if err != nil {
		m.t.Fatal(err)
	}
	return string(b[:n])
}

func TestSystemdOpensTheSocketAndIsToldOfEverything(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	m := &manager{t, told}
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	socket, err := open.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	path := configFor(t, postgres.Address(), open.Addr().String(), freeAddresses(t, 1)[0], "")
	early := connectInBackground(t, open.Addr().String()) // before there is a Portero
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	service := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" serve --config "$1"`, self, path)
	service.Env = append(os.Environ(), asProgram+"=1", "LISTEN_FDS=1", "NOTIFY_SOCKET="+told.LocalAddr().String())
	service.ExtraFiles = []*os.File{socket} // descriptor 3, as sd_listen_fds(3) has it
	service.Stderr = t.Output()
	service.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- service.Wait() }()
	defer service.Process.Kill() //nolint:errcheck // it has ended, mostly
	if got := m.next(); got != "READY=1" {
		t.Errorf("told %q", got)
	}
	if err := <-early; err != nil {
		t.Errorf("who came before: %v", err)
	}
	mustAsk(t, connect(t, open.Addr().String()), "select 1", "1")
	service.Process.Signal(syscall.SIGHUP) //nolint:errcheck // the next line says it
	if got := m.next(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("told %q", got)
	}
	if got := m.next(); got != "READY=1" {
		t.Errorf("told %q", got)
	}
	service.Process.Signal(syscall.SIGTERM) //nolint:errcheck // likewise
	if got := m.next(); got != "STOPPING=1" {
		t.Errorf("told %q", got)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("it does not end")
	}
}

func TestASocketIsKnownByItsAddress(t *testing.T) {
	tcp := func(host string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(host), Port: port} }
	unix := func(path string) net.Addr { return &net.UnixAddr{Name: path, Net: "unix"} }
	for _, c := range []struct {
		open    net.Addr
		address string
		want    bool
	}{
		{tcp("127.0.0.1", 6432), "127.0.0.1:6432", true},
		{tcp("127.0.0.1", 6432), "127.0.0.1:6433", false},
		{tcp("127.0.0.1", 6432), ":6432", false},
		{tcp("::", 6432), ":6432", true},
		{tcp("0.0.0.0", 6432), ":6432", true},
		{tcp("::", 6432), "0.0.0.0:6432", true},
		{tcp("::1", 6432), "[::1]:6432", true},
		{tcp("::1", 6432), "unix:/run/portero", false},
		{unix("/run/portero/.s.PGSQL.6432"), "unix:/run/portero", true},
		{unix("/run/portero/.s.PGSQL.6432"), "unix:/run/portero/.s.PGSQL.6432", true},
		{unix("/run/other/.s.PGSQL.6432"), "unix:/run/portero", false},
		{unix("/run/portero/.s.PGSQL.6432"), "127.0.0.1:6432", false},
	} {
		if got := listensAt(c.open, c.address); got != c.want {
			t.Errorf("%s at %s: %v", c.open, c.address, got)
		}
	}
}
