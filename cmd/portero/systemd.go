package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"portero/config"
)

// Under systemd the service may be told of (Type=notify-reload, sd_notify(3)), and its
// sockets may be opened by systemd (a .socket unit, sd_listen_fds(3)), which then keeps
// them through a restart: who connects meanwhile waits.

// tellManager tells systemd, if there is one that wants to know.
func (in *instance) tellManager(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		in.log.Warn("systemd cannot be told", "state", state, "error", err)
	}
}

// managerReady says that clients are served; tookOver: by this process in place of the one
// that systemd has started.
func managerReady(tookOver bool) string {
	if tookOver {
		return managerMain(os.Getpid()) + "\nREADY=1"
	}
	return "READY=1"
}

// managerMain says which process the service is from now on.
func managerMain(pid int) string { return fmt.Sprintf("MAINPID=%d", pid) }

// managerReloading says that the configuration is being read again, and since when on the
// clock that systemd wants (systemd.service(5), Type=notify-reload).
func managerReloading() string {
	var now unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) //nolint:errcheck // there is such a clock
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}

// listenersOf are the sockets that systemd has opened, by the addresses that the
// configuration has for them.
func (in *instance) listenersOf(cfg *config.Config) map[string]net.Listener {
	open, err := activation.Listeners()
	found := make(map[string]net.Listener)
	if err != nil {
		return found
	}
	for _, l := range open {
		if l == nil {
			continue // no socket that listens
		}
		i := slices.IndexFunc(cfg.Listeners, func(c config.Listener) bool { return found[c.Address] == nil && listensAt(l.Addr(), c.Address) })
		if i < 0 {
			in.log.Warn("a socket of systemd's is at no listener's address", "address", l.Addr().String())
			l.Close()
			continue
		}
		found[cfg.Listeners[i].Address] = l
	}
	return found
}

// listensAt reports whether a socket is open at an address of the configuration.
func listensAt(a net.Addr, address string) bool {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return a.Network() == "unix" && (a.String() == path || filepath.Dir(a.String()) == filepath.Clean(path))
	}
	at, ok := a.(*net.TCPAddr)
	want, err := net.ResolveTCPAddr("tcp", address)
	if !ok || err != nil || at.Port != want.Port {
		return false
	}
	everywhere := len(want.IP) == 0 || want.IP.IsUnspecified()
	return everywhere && at.IP.IsUnspecified() || at.IP.Equal(want.IP)
}

// closeUnused closes what was left to us and has no use by the configuration.
func (h *inheritance) closeUnused(cfg *config.Config) {
	for address, l := range h.listeners {
		used := false
		for i := range cfg.Listeners {
			used = used || cfg.Listeners[i].Address == address
		}
		if used {
			continue
		}
		l.Close()
		if l.Addr().Network() == "unix" {
			os.Remove(l.Addr().String()) //nolint:errcheck // nobody listens there in any case
		}
	}
	if h.admin != nil && cfg.Admin.Address == "" {
		h.admin.Close()
	}
}
