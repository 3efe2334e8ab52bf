package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"portero/auth"
	"portero/config"
)

const (
	// metadataEvery is how often pg_dist_node is read while it does not point to the leaders.
	metadataEvery = time.Second
	// metadataSeldom is the same once that has gone on for metadataLong, or if it cannot be read.
	metadataSeldom = 5 * time.Second
	metadataLong   = time.Minute
)

// nodesQuery gives the primaries of all groups as one value, next to a word, as answers have two
// columns. Everybody may read the table, and there is one primary to a group, in nodecluster
// default (Citus, sql/citus--7.0-8--7.0-9.sql).
const nodesQuery = `SELECT 'nodes', COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object('group', groupid, 'host', nodename, 'port', nodeport, 'lacks', NOT (isactive AND hasmetadata), 'behind', NOT metadatasynced))::text, '[]') ` +
	`FROM pg_catalog.pg_dist_node WHERE noderole::text = $1`

// KnowUsers tells who asks Citus coordinators (config.Metadata) what the user file holds of them.
// None of them asks before. It is called again when another file is in force.
func (ps *Pools) KnowUsers(stored func(user string) auth.Credentials) {
	ps.stored.Store(&stored)
	for _, cl := range ps.clusters() {
		cl.metadata.stir()
	}
}

// metadataOf is who asks the coordinator of a cluster; false: nobody does.
func (ps *Pools) metadataOf(cl *cluster) (config.Metadata, bool) {
	c := ps.settings.Load().Cluster(cl.name)
	if c == nil || !c.AsksMetadata() || !ps.isCurrent(cl) {
		return config.Metadata{}, false
	}
	return c.Metadata, true
}

// followMetadata asks the coordinator of a Citus cluster for pg_dist_node when a leader has moved,
// and until it points to it.
func (ps *Pools) followMetadata(cl *cluster) {
	defer ps.workers.Done()
	log := ps.log.With("cluster", cl.name)
	failed := ""
	for pause := time.Duration(0); cl.metadata.await(cl.ctx, pause); {
		pause = 0
		who, asked := ps.metadataOf(cl)
		stored := ps.stored.Load()
		asks, since := cl.metadata.asks()
		if !asked || !asks || stored == nil {
			continue
		}
		nodes, err := ps.readNodes(cl, who, *stored)
		pause = metadataEvery
		if err != nil || !since.IsZero() && time.Since(since) > metadataLong {
			pause = metadataSeldom
		}
		if said := troubleIn(err); said != failed {
			failed = said
			if failed != "" {
				log.Warn("pg_dist_node cannot be read, so that its lag is not known", "error", failed)
			}
		}
		if err == nil {
			ps.takeNodes(cl, nodes)
			if _, since := cl.metadata.asks(); since.IsZero() { // a group lacks something, which may stay so
				pause = metadataSeldom
			}
		}
	}
}

// takeNodes takes what the coordinator has answered.
func (ps *Pools) takeNodes(cl *cluster, nodes []node) {
	before := cl.metadata.leftOut()
	ps.tellShifts(cl, cl.metadata.take(nodes, cl.discovery.View(), time.Now()))
	ps.tellLeftOut(cl, before)
	if ps.isCurrent(cl) && !maps.Equal(before, cl.metadata.leftOut()) {
		ps.spreads.follow(cl.name, cl.discovery.View())
	}
}

// troubleIn is what an operator is to hear of an error: not that there is no leader to be asked,
// of which all else tells.
func troubleIn(err error) string {
	u, ok := errors.AsType[*auth.Unanswered](err)
	switch {
	case err == nil, ok && !u.Refused && u.Held != "", errors.Is(err, context.Canceled):
		return ""
	}
	return err.Error()
}

func (ps *Pools) tellShifts(cl *cluster, shifts []shift) {
	for _, s := range shifts {
		at := ps.log.With("cluster", cl.name, "group", s.group, "leader", s.leader)
		if s.lag == 0 {
			at.Warn("Citus looks for the leader elsewhere: pg_dist_node has not been brought in line", "pg_dist_node", s.node)
		} else {
			at.Info("pg_dist_node points to the leader", "lag", s.lag.Round(time.Millisecond))
		}
	}
}

// readNodes asks the coordinator. It blocks for metadataSeldom at most.
func (ps *Pools) readNodes(cl *cluster, who config.Metadata, stored func(string) auth.Credentials) (nodes []node, err error) {
	ctx, cancel := context.WithTimeout(cl.ctx, metadataSeldom)
	defer cancel()
	q := auth.Question{Database: who.Database, As: who.User, Credentials: auth.Password(who.Password), SQL: nodesQuery, Name: "primary"}
	if who.Password == "" {
		q.Credentials = stored(who.User)
	}
	answer, err := ps.askAs(ctx, forNodes, cl.name, coordinator, q)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(answer.Secret), &nodes); err != nil {
		return nil, fmt.Errorf("%s: %w", forNodes.about, err)
	}
	return nodes, nil
}

// coordinator is the group of it (Patroni, docs/citus.rst).
const coordinator = 0
