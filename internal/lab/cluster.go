package lab

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// FailoverAtOnce, as PrimaryStartTimeout, lets Patroni fail over from a crashed postgres
// without trying to start it first (primary_start_timeout: 0).
const FailoverAtOnce time.Duration = -1

// ClusterOptions shape a Patroni cluster. The zero value is one group of two members under
// /service/demo/0, with short times.
type ClusterOptions struct {
	Namespace string   // default /service/demo, so that keys are as Patroni's for Citus: /service/demo/0/leader
	Scopes    []string // one per group; default "0"
	Members   int      // per group; default 2
	Etcd      *Etcd    // where Patroni keeps its state; default: three members of the cluster's own
	Network   *Network // where members have hosts of their own; default: all on loopback
	Placement [][]int  // host of each member of each group on the network; default: member i is on host i

	TTL          time.Duration // default 20 s; Patroni's own default is 30
	LoopWait     time.Duration // default 1 s; Patroni's own default is 10
	RetryTimeout time.Duration // default 3 s; Patroni's own default is 10
	// PrimaryStartTimeout is how long a crashed postgres may take to start where it was before
	// another member is promoted; default: Patroni's own 300 s.
	PrimaryStartTimeout time.Duration
	Synchronous         bool // synchronous_mode: an acknowledged commit is on two members
	Failsafe            bool // failsafe_mode

	ClientAuth     string            // pg_hba method for all but the superuser; default scram-sha-256
	MaxConnections int               // default 100
	Settings       map[string]string // postgresql.conf
	Fsync          bool              // default off: processes die here, machines do not
	TLS            bool              // ssl = on, with one certificate for all members
}

func (o ClusterOptions) withDefaults() ClusterOptions {
	o.Namespace = orDefault(o.Namespace, "/service/demo")
	o.ClientAuth = orDefault(o.ClientAuth, "scram-sha-256")
	if len(o.Scopes) == 0 {
		o.Scopes = []string{"0"}
	}
	if o.Members == 0 {
		o.Members = 2
	}
	for d, otherwise := range map[*time.Duration]time.Duration{
		&o.TTL: 20 * time.Second, &o.LoopWait: time.Second, &o.RetryTimeout: 3 * time.Second,
		&o.PrimaryStartTimeout: 300 * time.Second,
	} {
		if *d == 0 {
			*d = otherwise
		}
	}
	return o
}

// host is the number of the one on which a member runs.
func (o ClusterOptions) host(group, member int) int {
	if o.Placement == nil {
		return member
	}
	return o.Placement[group][member]
}

// Cluster is one or more groups of PostgreSQL servers under Patroni. Its methods, and those
// of its groups and members, are for one goroutine at a time, but for those that only ask
// (Leader, WaitLeader, WaitHealthy, IsWritable), which are for any.
type Cluster struct {
	Etcd        *Etcd
	Groups      []*Group
	Certificate Certificate // with TLS

	options  ClusterOptions
	site     *site
	ownEtcd  bool
	patroni  string // binary
	postgres string // directory of binaries
}

// StartCluster starts etcd and Patroni, and returns once each group has a leader with role
// and database app, and all of its replicas stream. The caller closes it.
func StartCluster(ctx context.Context, o ClusterOptions) (*Cluster, error) {
	ctx, cancel := limit(ctx, 2*startLimit)
	defer cancel()
	s, err := newSite()
	if err != nil {
		return nil, err
	}
	c := &Cluster{Etcd: o.Etcd, options: o.withDefaults(), site: s}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start cluster: %w", err), c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	var err error
	if c.patroni, err = findPatroni(c.Etcd != nil && c.Etcd.tls); err != nil {
		return err
	}
	if c.postgres, err = postgresBin(); err != nil {
		return err
	}
	if c.options.TLS {
		if c.Certificate, err = c.site.makeCertificate(c.site.dir); err != nil {
			return err
		}
	}
	if c.Etcd == nil {
		if c.Etcd, err = StartEtcd(ctx, 3, EtcdOptions{}); err != nil {
			return err
		}
		c.ownEtcd = true
	}
	for i, scope := range c.options.Scopes {
		if err := c.addGroup(i, scope); err != nil {
			return err
		}
	}
	groups, ctx := errgroup.WithContext(ctx)
	for _, g := range c.Groups {
		groups.Go(func() error { return g.start(ctx) })
	}
	return groups.Wait()
}

// addGroup lays out a group's members without starting them.
func (c *Cluster) addGroup(number int, scope string) error {
	g := &Group{Scope: scope, cluster: c}
	c.Groups = append(c.Groups, g)
	ports, err := c.site.takePorts(nil, 2*c.options.Members)
	if err != nil {
		return err
	}
	for i := range c.options.Members {
		name := "g" + strconv.Itoa(number) + "m" + strconv.Itoa(i)
		dir, err := c.site.makeDir(name)
		if err != nil {
			return err
		}
		m := &Member{
			Name: name, Address: loopback(ports[2*i]), REST: loopback(ports[2*i+1]),
			DataDir: dir + "/data", SocketDir: dir,
			group: g, tags: object{}, dir: dir, log: c.site.path(name + ".log"),
		}
		if c.options.Network != nil {
			m.move(c.options.Network.Hosts[c.options.host(number, i)])
		}
		g.Members = append(g.Members, m)
		if err := m.writeConfig(); err != nil {
			return err
		}
	}
	return nil
}

// Member finds a member by name, or returns nil.
func (c *Cluster) Member(name string) *Member {
	for _, g := range c.Groups {
		if m := g.Member(name); m != nil {
			return m
		}
	}
	return nil
}

// WaitHealthy waits for all groups, as Group.WaitHealthy.
func (c *Cluster) WaitHealthy(ctx context.Context) error {
	for _, g := range c.Groups {
		if err := g.WaitHealthy(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all servers, removes their files and waits for both. An etcd that was given
// stays.
func (c *Cluster) Close() error {
	for _, g := range c.Groups {
		for _, m := range g.Members {
			m.patroni.signal(syscall.SIGKILL) // first, or it would start postgres again
		}
	}
	err := c.site.close()
	if c.ownEtcd {
		err = errors.Join(err, c.Etcd.Close())
	}
	return err
}
