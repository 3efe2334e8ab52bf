package pool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/discovery"
	"portero/wire"
)

// question is what every new server is asked. The timeline of a server that
// takes writes is in the name of its WAL file: the control file's lags behind
// a promotion (PostgreSQL documentation, "Backup Control Functions",
// pg_walfile_name). The server refuses that function in recovery, and the CASE
// keeps it from being called there.
const question = `SELECT pg_catalog.pg_is_in_recovery(),
 CASE WHEN pg_catalog.pg_is_in_recovery() THEN '' ELSE pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END,
 (SELECT system_identifier FROM pg_catalog.pg_control_system()),
 pg_catalog.current_setting('role'),
 (pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8,
 CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END,
 extract(epoch FROM pg_catalog.timestamptz_mi(pg_catalog.clock_timestamp(), pg_catalog.pg_last_xact_replay_timestamp()))`

// account is what a server says of itself.
type account struct {
	discovery.Proof
	position
	role     string            // that it acts in, as ALTER ROLE ... SET can have it begin with one; none = none, "" = not told
	reported map[string]string // parameters that have changed since its login: in_hot_standby with its promotion
	started  string            // when its postmaster was, in microseconds; "" = not told
}

var (
	errInRecovery  = errors.New("the server is in recovery")
	errNotReplica  = errors.New("the server is not in recovery, and a replica is wanted")
	errOldTimeline = errors.New("the server is on an older timeline than the cluster")
	errStranger    = errors.New("the server belongs to another cluster (system identifier)")
)

var verdicts = []error{errInRecovery, errNotReplica, errOldTimeline, errStranger}

// isVerdict tells our own judgement of a server from a failure to reach it.
func isVerdict(err error) bool {
	return slices.ContainsFunc(verdicts, func(v error) bool { return errors.Is(err, v) })
}

// prove asks the server what it is until it is what the pool wants, and
// returns what it is admitted as. A leader still in recovery is asked again and again,
// so that it is in use the moment it takes writes.
func (p *Pool) prove(ctx context.Context, e *entered, st Startup) (at post, said account, err error) {
	m, reported := e.member, map[string]string{}
	for {
		e.conn.SetDeadline(time.Now().Add(p.owner.limits().ServerConnectTimeout)) //nolint:errcheck // a closed connection fails at its first use
		if err := ctx.Err(); err != nil {
			return at, said, err // the deadline that hurries us was set before ours
		}
		if said, err = p.ask(e, st); err != nil {
			return at, said, err
		}
		maps.Copy(reported, said.reported)
		said.reported = reported
		said.Group, said.Member = p.Key.Group, m.Name
		e.home.discovery.Observe(said.Proof)
		v := e.home.discovery.View()
		pl := p.planAt(e.home, v)
		if e.contact && !pl.isNearest(m.Name) {
			return at, said, errMoved
		}
		if at, err = pl.judge(m, said.Proof); err == nil || !errors.Is(err, errInRecovery) || pl.choice {
			return at, said, err
		}
		if !p.stillWanted(st) {
			return at, said, errNotWanted
		}
		p.troubled(inWords(err))
		p.pauseAfter(ctx, v, askOften)
		if !p.isTarget(e.home, e.home.discovery.View(), m) {
			return at, said, errMoved
		}
	}
}

// ask asks a server that was opened with st in the words that it understands.
func (p *Pool) ask(e *entered, st Startup) (said account, err error) {
	given := st != Startup{}
	if p.Key.Replicates() {
		said, err = askSender(e)
	} else {
		said, err = e.home.ask(e.stream, given)
	}
	if err == nil && p.saysSQL() {
		err = e.home.learn(e, given)
	}
	return said, err
}

// ask sends the question for the cluster's servers and reads the answer. given: by a
// server that was opened with what a client has given.
func (cl *cluster) ask(stream *wire.Stream, given bool) (account, error) {
	var said account
	messages := cl.questions.put(given)
	if err := stream.Write(messages...); err != nil {
		return said, err
	}
	var failed error
	for owed := len(messages); ; {
		f, err := stream.Read(64 << 10)
		if err != nil {
			return said, err
		}
		switch f.Type {
		case 'D':
			failed = said.decode(f.Body)
		case 'S':
			if name, value, ok := wire.ParameterStatus(f.Body); ok {
				said.report(name, value)
			}
		case 'E':
			if failed == nil {
				failed = wire.ParseError(f.Body)
			}
		case 'Z':
			if owed--; owed == 0 {
				return said, failed
			}
		}
	}
}

func (a *account) report(name, value string) {
	if a.reported == nil {
		a.reported = make(map[string]string)
	}
	a.reported[name] = value
}

func (a *account) decode(body []byte) error {
	var row pgproto3.DataRow
	if err := row.Decode(body); err != nil || len(row.Values) < 3 {
		return errors.New("unreadable answer to the question for its role")
	}
	a.InRecovery = string(row.Values[0]) == "t"
	a.SystemID = string(row.Values[2])
	if len(row.Values) > 3 {
		a.role = string(row.Values[3])
	}
	if len(row.Values) > 4 {
		a.started = string(row.Values[4])
	}
	if len(row.Values) > 6 {
		a.position = positionOf(string(row.Values[5]), string(row.Values[6]))
	}
	if a.InRecovery || len(row.Values[1]) == 0 {
		return nil
	}
	timeline, err := strconv.ParseInt(string(row.Values[1]), 16, 64)
	if err != nil {
		return fmt.Errorf("timeline: %w", err)
	}
	a.Timeline = timeline
	return nil
}

// positionOf reads what a server says of its place in the WAL. It has said nothing
// of a last transaction if it has replayed none.
func positionOf(lsn, idle string) (p position) {
	if high, low, ok := strings.Cut(lsn, "/"); ok {
		h, errHigh := strconv.ParseUint(high, 16, 32)
		l, errLow := strconv.ParseUint(low, 16, 32)
		if errHigh == nil && errLow == nil {
			p.lsn = h<<32 | l
		}
	}
	if seconds, err := strconv.ParseFloat(idle, 64); err == nil && seconds < maxIdle.Seconds() {
		p.idle, p.told = time.Duration(seconds*float64(time.Second)), true
	}
	return p
}

// maxIdle is beyond what anybody would take for a lag.
const maxIdle = 100 * 365 * 24 * time.Hour
