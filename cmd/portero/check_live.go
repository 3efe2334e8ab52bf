package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"portero/config"
	"portero/discovery"
	"portero/wire"
)

const (
	// sightLimit is how long a cluster is waited for: all endpoints of etcd are tried
	// meanwhile, some of them more than once.
	sightLimit = 8 * time.Second
	// listLimit is how long etcd is waited for to tell of its members, once the keys are read.
	listLimit = 3 * time.Second
	// answerLimit is how long a PostgreSQL may take to answer.
	answerLimit = 2 * time.Second
)

// checkCommand is portero check: the file, and with --live what its clusters are like.
func checkCommand(args []string, stdout, stderr io.Writer) int {
	live := false
	add := func(flags *flag.FlagSet) {
		flags.BoolVar(&live, "live", false, "look at the clusters too: etcd, who leads, whether the servers answer, and the layout")
	}
	return withFlags("check", args, stderr, add, func(path string) int {
		p, status := check(path, stdout, stderr)
		if status != 0 || !live {
			return status
		}
		return checkLive(p.cfg, stdout, stderr)
	})
}

// checkLive prints what the clusters are like now. The exit status is 1 if clients could not be
// served; what it only warns of leaves it 0. It blocks for some ten seconds at most.
func checkLive(cfg *config.Config, stdout, stderr io.Writer) int {
	sights := make([]*sight, len(cfg.Clusters))
	var looking sync.WaitGroup
	for i, c := range cfg.Clusters {
		sights[i] = &sight{cluster: c, groups: groupsOf(cfg, c.Name), spreads: spreadsOf(cfg, c.Name), limit: sightLimit}
		looking.Go(sights[i].look)
	}
	looking.Wait()
	status := 0
	for _, s := range sights {
		lines, faults := s.report()
		for _, line := range lines {
			fmt.Fprintln(stdout, shown(line))
		}
		for _, fault := range faults {
			fmt.Fprintln(stderr, shown("cluster "+s.cluster.Name+": "+fault))
			status = 1
		}
	}
	return status
}

// shown is visible with the spaces that a line begins with.
func shown(line string) string {
	text := strings.TrimLeft(line, " ")
	return line[:len(line)-len(text)] + visible(text)
}

// groupsOf are the groups of a cluster that routes lead to, each route to one.
func groupsOf(cfg *config.Config, cluster string) map[int]bool {
	groups := make(map[int]bool)
	for i := range cfg.Routes {
		if r := &cfg.Routes[i]; r.Cluster == cluster && !r.IsSpread() {
			groups[r.Group] = true
		}
	}
	return groups
}

// spreadsOf are the groups that each route to any node of a cluster names; none: all that there are.
func spreadsOf(cfg *config.Config, cluster string) (spreads [][]int) {
	for i := range cfg.Routes {
		if r := &cfg.Routes[i]; r.Cluster == cluster && r.IsSpread() {
			spreads = append(spreads, r.Groups)
		}
	}
	return spreads
}

// sight is a cluster as it is found.
type sight struct {
	cluster config.Cluster
	groups  map[int]bool // that routes lead to
	spreads [][]int      // that routes to any node lead to; each of one route, none: all
	limit   time.Duration

	view    *discovery.View // nil: discovery does not begin
	err     error           // why it does not
	reasons etcdReasons     // why a view is stale

	mu     sync.Mutex       // guards what follows, while members are asked
	silent map[string]error // why a PostgreSQL does not answer, by its address; nil: it does
}

// look follows the cluster until it is known, and then asks its members.
func (s *sight) look() {
	d, err := discovery.Open(s.cluster, slog.New(&s.reasons))
	if err != nil {
		s.err = err
		return
	}
	s.view = await(d, s.limit)
	d.Close()
	s.ask()
}

// await waits until the cluster is known, and what etcd tells of its members; or for so long
// that neither is to be expected.
func await(d *discovery.Cluster, limit time.Duration) *discovery.View {
	known, listed := time.After(limit), (<-chan time.Time)(nil)
	for v := d.View(); ; v = d.View() {
		switch {
		case v.Stale:
		case d.Stats().Endpoint == "", d.Stats().EtcdListed: // of a list of hosts there is no more to come
			return d.View()
		case listed == nil:
			listed = time.After(listLimit)
		}
		select {
		case <-v.Replaced():
		case <-time.After(50 * time.Millisecond): // that etcd has told need not change the view
		case <-known:
			return d.View()
		case <-listed:
			return d.View()
		}
	}
}

// ask finds out whether a PostgreSQL answers at each member's address.
func (s *sight) ask() {
	s.silent = make(map[string]error)
	var asking sync.WaitGroup
	for _, g := range s.view.Groups {
		for _, m := range g.Members {
			asking.Go(func() { s.askOne(m.Address) })
		}
	}
	asking.Wait()
}

func (s *sight) askOne(address string) {
	err := answers(address)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent[address] = err
}

// answers asks for TLS, which PostgreSQL answers to everybody with one byte, and logs nothing
// of when no login follows.
func answers(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	var answer [1]byte
	if _, err = conn.Write(wire.SSLRequest()); err == nil {
		_, err = io.ReadFull(conn, answer[:])
	}
	switch {
	case err != nil:
		return fmt.Errorf("it is connected to, and does not answer: %w", err)
	case strings.IndexByte("SNE", answer[0]) < 0: // E: it cannot serve anybody now, and says so
		return errors.New("what answers is no PostgreSQL")
	}
	return nil
}
