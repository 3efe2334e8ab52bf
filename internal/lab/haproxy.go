package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// HAProxy is HAProxy as a process, by the template that Patroni publishes (extras/confd,
// docs: haproxy.cfg): it asks each member's REST interface every 3 s. Its methods are for one
// goroutine at a time.
type HAProxy struct {
	Leader, Replica string // host:port for clients, as ports 5000 and 5001 of the template

	site    *site
	process *process
}

// HAProxyServer is where HAProxy sends clients, and where it asks whether it may.
type HAProxyServer struct{ Name, Address, REST string }

const (
	haproxyConfig = `
global
    maxconn 1000
defaults
    mode tcp
    retries 2
    timeout client 30m
    timeout connect 4s
    timeout server 30m
    timeout check 5s
`
	haproxyListen = `
listen %s
    bind %s
    option httpchk OPTIONS /%s
    http-check expect status 200
    default-server inter 3s fall 3 rise 2 on-marked-down shutdown-sessions
`
	haproxyServer = "    server %s %s maxconn 100 check addr %s port %s\n"
)

// StartHAProxy starts the program and returns once it listens. The caller closes it.
func StartHAProxy(ctx context.Context, servers ...HAProxyServer) (*HAProxy, error) {
	ctx, cancel := limit(ctx, startLimit)
	defer cancel()
	binary, err := findDaemon("haproxy")
	if err != nil {
		return nil, err
	}
	s, err := newSite()
	if err != nil {
		return nil, err
	}
	h := &HAProxy{site: s}
	if err := h.start(ctx, binary, servers); err != nil {
		return nil, errors.Join(fmt.Errorf("start haproxy: %w", err), s.close())
	}
	return h, nil
}

func (h *HAProxy) start(ctx context.Context, binary string, servers []HAProxyServer) error {
	ports, err := h.site.takePorts(nil, 2)
	if err != nil {
		return err
	}
	h.Leader, h.Replica = loopback(ports[0]), loopback(ports[1])
	config := haproxyConfig + h.listen("primary", h.Leader, servers) + h.listen("replica", h.Replica, servers)
	path := h.site.path("haproxy.cfg")
	if err := h.site.writeFile(path, config); err != nil {
		return err
	}
	h.process, err = h.site.start(command{
		path: binary, args: []string{"-db", "-f", path},
		dir: h.site.dir, log: h.site.path("haproxy.log"), orphaned: syscall.SIGKILL,
	})
	if err != nil {
		return err
	}
	return h.process.waitListening(ctx, h.Leader)
}

// listen is the section for members of a role.
func (h *HAProxy) listen(role, address string, servers []HAProxyServer) string {
	section := fmt.Sprintf(haproxyListen, role, address, role)
	for _, s := range servers {
		host, port, _ := strings.Cut(s.REST, ":") // IPv4, in a lab
		section += fmt.Sprintf(haproxyServer, s.Name, s.Address, host, port)
	}
	return section
}

// Alive is an error with the end of its log when it has ended.
func (h *HAProxy) Alive() error { return h.process.alive() }

// Close ends it and removes its files.
func (h *HAProxy) Close() error { return h.site.close() }
