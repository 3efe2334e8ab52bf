package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Group is a Patroni scope: members of which one is the leader.
type Group struct {
	Scope   string
	Members []*Member

	cluster *Cluster
}

// ErrNoLeader says that nobody holds the leader key.
var ErrNoLeader = errors.New("no leader")

// key is the path of one of the scope's keys.
func (g *Group) key(name string) string {
	return path.Join("/", g.cluster.options.Namespace, g.Scope, name)
}

// get reads a key; absent is "".
func (g *Group) get(ctx context.Context, name string) (string, error) {
	ctx, cancel := limit(ctx, askLimit)
	defer cancel()
	answer, err := g.cluster.Etcd.Client.Get(ctx, g.key(name))
	if err != nil || len(answer.Kvs) == 0 {
		return "", err
	}
	return string(answer.Kvs[0].Value), nil
}

// start starts all members and sets them up; what they last logged is part of the error.
func (g *Group) start(ctx context.Context) error {
	err := g.setUp(ctx)
	if err != nil {
		for _, m := range g.Members {
			err = fmt.Errorf("%w\n%s", err, m.Log())
		}
	}
	return err
}

// setUp starts all members and waits until they are healthy.
func (g *Group) setUp(ctx context.Context) error {
	for _, m := range g.Members {
		if err := m.Restart(); err != nil {
			return err
		}
	}
	if err := g.WaitHealthy(ctx); err != nil {
		return err
	}
	leader, err := g.Leader(ctx)
	if err != nil {
		return err
	}
	return leader.setLoopWait(ctx, g.cluster.options.LoopWait)
}

// WaitWritable waits until the member takes writes.
func (m *Member) WaitWritable(ctx context.Context) error {
	return Poll(ctx, "wait until "+m.Name+" is writable", func() error {
		if err := m.alive(); err != nil {
			return hopeless{err}
		}
		writable, err := m.IsWritable(ctx)
		if err == nil && !writable {
			err = errors.New("it is in recovery")
		}
		return err
	})
}

// Member finds a member by name, or returns nil.
func (g *Group) Member(name string) *Member {
	for _, m := range g.Members {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Leader is the member that the leader key names, or ErrNoLeader.
func (g *Group) Leader(ctx context.Context) (*Member, error) {
	name, err := g.get(ctx, "leader")
	if err != nil {
		return nil, err
	}
	if m := g.Member(name); m != nil {
		return m, nil
	}
	return nil, ErrNoLeader
}

// WaitLeader waits until the leader key names a member other than not.
func (g *Group) WaitLeader(ctx context.Context, not string) (*Member, error) {
	var leader *Member
	err := Poll(ctx, "wait for a leader of group "+g.Scope, func() error {
		m, err := g.Leader(ctx)
		if err == nil && m.Name == not {
			err = errors.New("still " + not)
		}
		leader = m
		return err
	})
	return leader, err
}

// Switchover hands the leader key to a replica (the synchronous one, when there is) and
// returns once Patroni calls it done, which can be seconds after the new leader takes writes.
func (g *Group) Switchover(ctx context.Context) error {
	leader, err := g.Leader(ctx)
	if err != nil {
		return err
	}
	candidate, err := g.successor(ctx, leader)
	if err != nil {
		return err
	}
	_, err = leader.ask(ctx, http.MethodPost, "/switchover",
		object{"leader": leader.Name, "candidate": candidate})
	return err
}

// successor is the member that Patroni accepts as the next leader.
func (g *Group) successor(ctx context.Context, leader *Member) (string, error) {
	if g.cluster.options.Synchronous {
		standbys, err := g.synchronousStandbys(ctx, leader)
		if err != nil {
			return "", err
		}
		return standbys[0], nil
	}
	for _, m := range g.Members {
		if m != leader && m.PID() != 0 {
			return m.Name, nil
		}
	}
	return "", errors.New("group " + g.Scope + " has no replica to switch to")
}

// WaitHealthy waits until the leader takes writes, all other members stream from it, the keys of
// all say so and, in synchronous mode, one of them is its registered synchronous standby.
func (g *Group) WaitHealthy(ctx context.Context) error {
	return Poll(ctx, "wait for health of group "+g.Scope, func() error {
		for _, m := range g.Members {
			if err := m.alive(); err != nil {
				return hopeless{err}
			}
		}
		return g.healthy(ctx)
	})
}

func (g *Group) healthy(ctx context.Context) error {
	leader, err := g.Leader(ctx)
	if err != nil {
		return err
	}
	streaming, err := leader.streaming(ctx)
	if err != nil {
		return err
	}
	for _, m := range g.Members {
		key, err := g.get(ctx, "members/"+m.Name)
		if err != nil {
			return err
		}
		if err := announced(key, m == leader); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		if m != leader && streaming[m.Name] == "" {
			return fmt.Errorf("%s does not stream from %s", m.Name, leader.Name)
		}
	}
	if !g.cluster.options.Synchronous || len(g.Members) == 1 {
		return nil
	}
	standbys, err := g.synchronousStandbys(ctx, leader)
	if err != nil {
		return err
	}
	for _, name := range standbys {
		if state := streaming[name]; state != "sync" && state != "quorum" {
			return fmt.Errorf("%s is registered as synchronous and is %q", name, state)
		}
	}
	return nil
}

// announced tells whether a member's key says of it what WaitHealthy waits for. Patroni writes it
// once in a loop: a replica streams, and a leader takes writes, up to a loop before the key says so.
func announced(key string, leads bool) error {
	if key == "" {
		return errors.New("no member key")
	}
	var said struct{ State, Role string }
	if err := json.Unmarshal([]byte(key), &said); err != nil {
		return fmt.Errorf("member key %q: %w", key, err)
	}
	// Patroni before 4 calls a leader master.
	if primary := said.Role == "primary" || said.Role == "master"; said.State != "running" || primary != leads {
		return fmt.Errorf("%s and %s, says the member key", said.Role, said.State)
	}
	return nil
}

// streaming maps each replica that streams from m, which is writable, to its sync_state.
func (m *Member) streaming(ctx context.Context) (map[string]string, error) {
	ctx, cancel := limit(ctx, askLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, m.SuperuserDSN("postgres"))
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `
		select application_name, sync_state from pg_stat_replication
		where state = 'streaming' and not pg_is_in_recovery()`, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil, err
	}
	states := make(map[string]string)
	var name, state string
	_, err = pgx.ForEachRow(rows, []any{&name, &state}, func() error {
		states[name] = state
		return nil
	})
	return states, err
}

// synchronousStandbys are those that the sync key names for leader; at least one, or an error.
func (g *Group) synchronousStandbys(ctx context.Context, leader *Member) ([]string, error) {
	text, err := g.get(ctx, "sync")
	if err != nil {
		return nil, err
	}
	var sync struct {
		Leader  string `json:"leader"`
		Standby string `json:"sync_standby"`
	}
	if err := json.Unmarshal([]byte(text), &sync); err != nil {
		return nil, fmt.Errorf("sync key %q: %w", text, err)
	}
	standbys := slices.DeleteFunc(strings.Split(sync.Standby, ","), func(s string) bool { return s == "" })
	if sync.Leader != leader.Name || len(standbys) == 0 {
		return nil, fmt.Errorf("%s has no synchronous standby: %s", leader.Name, text)
	}
	return standbys, nil
}

// SetFailsafe turns failsafe_mode on or off, and returns once each member has taken it up: what
// becomes of a cluster that loses etcd just then would be chance.
func (g *Group) SetFailsafe(ctx context.Context, on bool) error {
	leader, err := g.Leader(ctx)
	if err != nil {
		return err
	}
	if _, err := leader.ask(ctx, http.MethodPatch, "/config", object{"failsafe_mode": on}); err != nil {
		return err
	}
	return Poll(ctx, "wait until members know failsafe_mode", func() error {
		for _, m := range g.Members {
			known, err := m.failsafe(ctx)
			if err != nil {
				return err
			}
			if known != on {
				return fmt.Errorf("%s does not know that it is %v", m.Name, on)
			}
		}
		return nil
	})
}

// failsafe tells whether a member is in failsafe mode: then it takes for bad what asks for a
// leader's acceptance and names none, and else refuses the question (do_POST_failsafe in
// patroni/api.py).
func (m *Member) failsafe(ctx context.Context) (bool, error) {
	ctx, cancel := limit(ctx, askLimit)
	defer cancel()
	_, err := m.ask(ctx, http.MethodPost, "/failsafe", nil)
	var said refusal
	if !errors.As(err, &said) {
		return false, fmt.Errorf("/failsafe of %s: %w", m.Name, err)
	}
	return said.status != http.StatusBadGateway, nil
}
