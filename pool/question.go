package pool

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/discovery"
	"portero/wire"
)

// questions are what servers of a cluster are asked for their role in.
type questions struct {
	bare    []wire.Message // to a server that was opened with nothing that a client has given
	guarded []wire.Message // to any other
}

// questionsFor puts the question between statements that keep what a client has given for
// the start of its session out of the way: a statement_timeout of a millisecond, or
// an isolation that a standby does not have.
func questionsFor(sql string) *questions {
	return &questions{
		bare: []wire.Message{&pgproto3.Query{String: sql}},
		guarded: []wire.Message{
			&pgproto3.Query{String: "SET statement_timeout = 0"},
			&pgproto3.Query{String: "BEGIN ISOLATION LEVEL READ COMMITTED, NOT DEFERRABLE; " + sql + "; COMMIT"},
			&pgproto3.Query{String: "RESET statement_timeout"},
		},
	}
}

func (q *questions) put(given bool) []wire.Message {
	if given {
		return q.guarded
	}
	return q.bare
}

var (
	toPostgres  = questionsFor(question)
	toYugabyte  = questionsFor(nodeQuestion)
	forAllNodes = questionsFor(nodesQuestion)
)

// nodeQuestion is what a node of YugabyteDB is asked. It has no WAL of PostgreSQL's, no
// timelines and no control file: the functions that tell of these are missing there or fail.
const nodeQuestion = `SELECT pg_catalog.pg_is_in_recovery(), '', '', pg_catalog.current_setting('role'),
 (pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8`

// nodesQuestion is for all nodes. Versions differ in the columns that come behind these.
const nodesQuestion = `SELECT host, port, node_type, cloud, region, zone, public_ip FROM pg_catalog.yb_servers()`

// maxNodes bounds the answer.
const maxNodes = 10_000

// learn asks for the nodes over a connection that has just logged in, if no node has told
// yet: nobody is served before it is known what that server is.
func (cl *cluster) learn(e *entered, given bool) error {
	if !cl.isToLearn() {
		return nil
	}
	return cl.askNodes(e.conn, e.stream, e.member.Address, given)
}

// isToLearn reports whether no node has told of the others yet.
func (cl *cluster) isToLearn() bool {
	if !cl.isYugabyte() {
		return false
	}
	g := cl.discovery.View().Groups[0]
	return g == nil || !g.Listed
}

// isToFind reports whether nobody is known yet who leads a list of hosts.
func (cl *cluster) isToFind(group int) bool {
	g := cl.discovery.View().Groups[group]
	return g != nil && g.AskHosts && g.Leader == ""
}

// askNodes asks a node for all of them and tells discovery. It blocks for
// server_connect_timeout at most.
func (cl *cluster) askNodes(conn net.Conn, stream *wire.Stream, address string, given bool) error {
	conn.SetDeadline(time.Now().Add(cl.owner.limits().ServerConnectTimeout)) //nolint:errcheck // a closed connection fails at its first use
	list, err := readNodes(stream, forAllNodes.put(given))
	if err != nil {
		return fmt.Errorf("yb_servers() at %s: %w", address, err)
	}
	at := ""
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		at = tcp.IP.String()
	}
	return cl.discovery.Tell(discovery.Nodes{Asked: address, At: at, List: list})
}

func readNodes(stream *wire.Stream, ask []wire.Message) (list []discovery.Node, err error) {
	if err := stream.Write(ask...); err != nil {
		return nil, err
	}
	var failed error
	for owed := len(ask); ; {
		f, err := stream.Read(64 << 10)
		if err != nil {
			return nil, err
		}
		switch f.Type {
		case 'D':
			n, err := nodeOf(f.Body)
			if len(list) >= maxNodes {
				err = fmt.Errorf("more than %d nodes", maxNodes)
			}
			if err != nil && failed == nil {
				failed = err
			}
			list = append(list, n)
		case 'E':
			if failed == nil {
				failed = wire.ParseError(f.Body)
			}
		case 'Z':
			if owed--; owed == 0 {
				return list, failed
			}
		}
		if failed != nil {
			list = nil
		}
	}
}

// nodeOf reads a row of nodesQuestion. NULL is as if nothing were there.
func nodeOf(body []byte) (n discovery.Node, err error) {
	var row pgproto3.DataRow
	if err := row.Decode(body); err != nil || len(row.Values) != 7 {
		return n, errors.New("unreadable row")
	}
	text := func(i int) string { return string(row.Values[i]) }
	port, _ := strconv.Atoi(text(1)) // 0: none that could be dialled; the other nodes are there all the same
	return discovery.Node{Host: text(0), Port: port, Type: text(2), Cloud: text(3), Region: text(4), Zone: text(5), PublicIP: text(6)}, nil
}
