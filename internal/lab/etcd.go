package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// EtcdOptions shape an etcd cluster. The zero value has neither authentication nor TLS.
type EtcdOptions struct {
	Ports              []int  // for clients, one per member; default: free ones
	Address            string // for clients, without a port; default 127.0.0.1
	Username, Password string // default: no authentication
	TLS                bool   // for clients
	// Host is where member 0 runs, which can then be cut off from the others; Address is the
	// network's. Default: where the others do.
	Host *NetworkHost
	// Hosts are where the members run, one on each, if all have a host of their own: clients and
	// the other members reach it at the host's address. Then there are no Address and no Host.
	Hosts []*NetworkHost
}

// endpoint is where member i serves clients.
func (o EtcdOptions) endpoint(i, port int) string {
	address := orDefault(o.Address, "127.0.0.1")
	if i == 0 && o.Host != nil {
		address = o.Host.Address
	}
	if o.Hosts != nil {
		address = o.Hosts[i].Address
	}
	return net.JoinHostPort(address, strconv.Itoa(port))
}

// peer is where the other members reach member i.
func (o EtcdOptions) peer(i, port int) string {
	switch {
	case o.Hosts != nil:
		return "http://" + net.JoinHostPort(o.Hosts[i].Address, strconv.Itoa(port))
	case o.Host == nil:
		return "http://" + loopback(port)
	case i == 0:
		return "http://" + net.JoinHostPort(o.Host.peerAddress(), strconv.Itoa(port))
	}
	return "http://" + net.JoinHostPort(o.Address, strconv.Itoa(port))
}

// space is where member i runs.
func (o EtcdOptions) space(i int) *space {
	switch {
	case o.Hosts != nil:
		return o.Hosts[i].in()
	case i == 0:
		return o.Host.in()
	}
	return nil
}

// Etcd is an etcd cluster of one or more members, numbered from 0. Its methods are for one
// goroutine at a time.
type Etcd struct {
	Username, Password string
	Certificate        Certificate // with TLS
	Client             *clientv3.Client

	tls     bool
	site    *site
	host    *NetworkHost // of member 0; nil: none of its own
	members []*etcdMember
}

type etcdMember struct {
	endpoint string
	command  command
	process  *process
}

// StartEtcd starts n members and returns once they serve. The caller closes it.
func StartEtcd(ctx context.Context, n int, o EtcdOptions) (*Etcd, error) {
	ctx, cancel := limit(ctx, startLimit)
	defer cancel()
	binary, err := findServer("etcd")
	if err != nil {
		return nil, err
	}
	s, err := newSite()
	if err != nil {
		return nil, err
	}
	e := &Etcd{site: s, tls: o.TLS, host: o.Host}
	if o.Host != nil {
		err = o.Host.storeEtcd()
	}
	if err == nil {
		err = e.prepare(binary, n, o)
	}
	if err == nil {
		err = e.startAll(ctx)
	}
	if err == nil && o.Username != "" {
		err = e.enableAuth(ctx, o.Username, o.Password)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start etcd: %w", err), e.Close())
	}
	return e, nil
}

// prepare lays out the members without starting them.
func (e *Etcd) prepare(binary string, n int, o EtcdOptions) error {
	clientPorts, err := e.site.takePorts(o.Ports, n)
	if err != nil {
		return err
	}
	peerPorts, err := e.site.takePorts(nil, n)
	if err != nil {
		return err
	}
	scheme := "http"
	var tls []string
	if o.TLS {
		if e.Certificate, err = e.site.makeCertificate(e.site.dir); err != nil {
			return err
		}
		scheme = "https"
		tls = []string{"--cert-file", e.Certificate.Cert, "--key-file", e.Certificate.Key}
	}
	var peers []string
	for i, port := range peerPorts {
		peers = append(peers, fmt.Sprintf("e%d=%s", i, o.peer(i, port)))
	}
	for i := range n {
		name := "e" + strconv.Itoa(i)
		dir, err := e.site.makeDir(name)
		if err != nil {
			return err
		}
		endpoint, peer := o.endpoint(i, clientPorts[i]), o.peer(i, peerPorts[i])
		client := scheme + "://" + endpoint
		args := []string{
			"--name", name, "--data-dir", dir + "/data", "--unsafe-no-fsync", "--logger", "zap",
			"--bcrypt-cost", "4", // the least: on a busy machine a login must not take seconds
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--listen-client-urls", client, "--advertise-client-urls", client,
			"--initial-cluster", strings.Join(peers, ","), "--initial-cluster-state", "new",
			"--initial-cluster-token", e.site.dir,
		}
		e.members = append(e.members, &etcdMember{
			endpoint: endpoint,
			command: command{path: binary, args: append(args, tls...), dir: dir,
				log: e.site.path(name + ".log"), orphaned: syscall.SIGKILL, space: o.space(i)},
		})
	}
	return nil
}

func (e *Etcd) startAll(ctx context.Context) error {
	for _, m := range e.members {
		var err error
		if m.process, err = e.site.start(m.command); err != nil {
			return err
		}
	}
	for _, m := range e.members {
		if err := m.process.waitListening(ctx, m.endpoint); err != nil {
			return err
		}
	}
	if err := e.connect("", ""); err != nil {
		return err
	}
	if err := e.WaitHealthy(ctx); err != nil {
		return err
	}
	return Poll(ctx, "wait for etcd's quorum", func() error {
		ctx, cancel := limit(ctx, askLimit)
		defer cancel()
		_, err := e.Client.Get(ctx, "/")
		return err
	})
}

// waitMember waits until member i knows a leader.
func (e *Etcd) waitMember(ctx context.Context, i int) error {
	m := e.members[i]
	return Poll(ctx, "wait for etcd's leader on "+m.endpoint, func() error {
		status, err := e.status(ctx, m)
		if err == nil && status.Leader == 0 {
			err = errors.New("no leader")
		}
		return err
	})
}

// connect replaces Client by one that logs in as username.
func (e *Etcd) connect(username, password string) error {
	if e.Client != nil {
		e.Client.Close()
	}
	config := clientv3.Config{
		Username: username, Password: password,
		DialTimeout: askLimit, Logger: zap.NewNop(),
	}
	for _, m := range e.members {
		config.Endpoints = append(config.Endpoints, e.url(m))
	}
	if e.tls {
		var err error
		if config.TLS, err = e.Certificate.clientTLS(); err != nil {
			return err
		}
	}
	var err error
	e.Client, err = clientv3.New(config)
	return err
}

func (e *Etcd) url(m *etcdMember) string {
	if e.tls {
		return "https://" + m.endpoint
	}
	return "http://" + m.endpoint
}

// Endpoints are host:port for clients, in the order of the members.
func (e *Etcd) Endpoints() []string {
	var endpoints []string
	for _, m := range e.members {
		endpoints = append(endpoints, m.endpoint)
	}
	return endpoints
}

// KillMember kills member i with SIGKILL.
func (e *Etcd) KillMember(i int) { e.members[i].process.kill() }

// StopMember ends member i in good order.
func (e *Etcd) StopMember(i int) {
	e.members[i].process.signal(syscall.SIGTERM)
	<-e.members[i].process.exited
}

// SuspendMember stops member i where it is (SIGSTOP), as a network that loses its packets.
func (e *Etcd) SuspendMember(i int) { e.members[i].process.signal(syscall.SIGSTOP) }

// ResumeMember ends what SuspendMember began.
func (e *Etcd) ResumeMember(i int) { e.members[i].process.signal(syscall.SIGCONT) }

// RestartMember starts a killed or stopped member again, with its data, and returns once it
// listens; whether there is a quorum is not its concern.
func (e *Etcd) RestartMember(ctx context.Context, i int) error {
	m := e.members[i]
	if m.process.running() {
		return fmt.Errorf("restart etcd on %s: it is running", m.endpoint)
	}
	var err error
	if m.process, err = e.site.start(m.command); err != nil {
		return err
	}
	return m.process.waitListening(ctx, m.endpoint)
}

// Leader is the number of the member that leads etcd.
func (e *Etcd) Leader(ctx context.Context) (int, error) {
	for i, m := range e.members {
		status, err := e.status(ctx, m)
		if err == nil && status.Leader == status.Header.MemberId {
			return i, nil
		}
	}
	return 0, errors.New("no member leads etcd")
}

func (e *Etcd) status(ctx context.Context, m *etcdMember) (*clientv3.StatusResponse, error) {
	ctx, cancel := limit(ctx, askLimit)
	defer cancel()
	return e.Client.Status(ctx, e.url(m))
}

// WaitHealthy waits until all members know a leader.
func (e *Etcd) WaitHealthy(ctx context.Context) error {
	for i := range e.members {
		if err := e.waitMember(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// Log is the end of what member i logged.
func (e *Etcd) Log(i int) string { return tail(e.members[i].command.log) }

// Close ends all members, removes their files and waits for both.
func (e *Etcd) Close() error {
	if e.Client != nil {
		e.Client.Close()
	}
	for _, m := range e.members {
		m.process.signal(syscall.SIGKILL)
	}
	return e.site.close()
}
