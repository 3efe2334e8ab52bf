package corpus

import (
	"errors"
	"maps"
	"net"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// patience is for one statement; the scripts have none that takes long.
const patience = 20 * time.Second

// protocol is how statements are sent.
type protocol string

const (
	simple   protocol = "simple"   // as Query
	extended protocol = "extended" // as Parse, Bind, Describe, Execute, without names, results as text
)

// client is a session of which all is recorded that the server says.
type client struct {
	conn   net.Conn
	fe     *pgproto3.Frontend
	pid    uint32
	status byte // of the last ReadyForQuery
	ended  bool // the connection
	stalls bool // ... because no answer came

	notifications []string // apart from all else: when they come is not promised
}

// connect logs in and returns what the server said meanwhile, in the order of the names.
func connect(address, user string, startup map[string]string) (*client, []string, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	c := &client{conn: conn, fe: pgproto3.NewFrontend(conn, conn)}
	m := pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": user, "database": database}}
	maps.Copy(m.Parameters, startup)
	said := c.exchange(nil, &m)
	slices.Sort(said)
	return c, said, nil
}

// close says goodbye and waits until the server has closed the connection.
func (c *client) close() {
	if !c.ended {
		c.conn.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // then reading tells
		c.fe.Send(&pgproto3.Terminate{})
		_ = c.fe.Flush() // it may be gone
		for c.receive() != nil {
		}
	}
	c.conn.Close()
}

// run sends a statement and returns all that the server says, up to ReadyForQuery.
func (c *client) run(how protocol, st statement) []string {
	if c.ended {
		return []string{"not sent"}
	}
	if how == simple {
		return c.exchange(st.data, &pgproto3.Query{String: st.sql})
	}
	messages := []pgproto3.FrontendMessage{
		&pgproto3.Parse{Query: st.sql}, &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{},
	}
	if !takesData.MatchString(st.sql) {
		return c.exchange(st.data, append(messages, &pgproto3.Sync{})...)
	}
	// A Sync that is sent ahead of the data is ignored, or it is not: it depends on when a COPY fails.
	return append(c.exchange(st.data, append(messages, &pgproto3.Flush{})...), c.exchange(nil, &pgproto3.Sync{})...)
}

var takesData = regexp.MustCompile(`(?is)^\s*copy\b.*\bfrom\s+stdin`)

// exchange sends messages and reads the answers: to a Flush up to the end of the statement,
// else up to ReadyForQuery.
func (c *client) exchange(data []copyData, messages ...pgproto3.FrontendMessage) (said []string) {
	c.conn.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // then reading tells
	c.send(messages...)
	_, flushed := messages[len(messages)-1].(*pgproto3.Flush)
	for {
		m := c.receive()
		switch m := m.(type) {
		case nil:
			return append(said, "the end of the connection")
		case *pgproto3.AuthenticationOk:
			continue
		case *pgproto3.BackendKeyData:
			c.pid = m.ProcessID
			continue
		case *pgproto3.NotificationResponse:
			c.notifications = append(c.notifications, c.line(m))
			continue
		case *pgproto3.CopyInResponse:
			data = c.sendData(data)
			if flushed {
				c.send(&pgproto3.Flush{}) // the first one was ignored, as all but data is in a COPY
			}
		case *pgproto3.ReadyForQuery:
			c.status = m.TxStatus
			return append(said, c.line(m))
		}
		said = append(said, c.line(m))
		if flushed && isEnd(m) {
			return said
		}
	}
}

// isEnd reports whether a message is the last one about an Execute.
func isEnd(m pgproto3.BackendMessage) bool {
	switch m.(type) {
	case *pgproto3.CommandComplete, *pgproto3.ErrorResponse, *pgproto3.EmptyQueryResponse:
		return true
	}
	return false
}

// sendData answers a CopyInResponse, and returns what is left for the next one.
func (c *client) sendData(data []copyData) []copyData {
	if len(data) == 0 {
		c.send(&pgproto3.CopyFail{Message: "the script has no data"})
		return nil
	}
	var messages []pgproto3.FrontendMessage
	for _, chunk := range data[0].chunks {
		messages = append(messages, &pgproto3.CopyData{Data: chunk})
	}
	if fail := data[0].fail; fail != "" {
		messages = append(messages, &pgproto3.CopyFail{Message: fail})
	} else {
		messages = append(messages, &pgproto3.CopyDone{})
	}
	c.send(messages...)
	return data[1:]
}

func (c *client) send(messages ...pgproto3.FrontendMessage) {
	for _, m := range messages {
		c.fe.Send(m)
	}
	_ = c.fe.Flush() // what is wrong shows in what is read
}

// receive returns the next message, nil at the end of the connection.
func (c *client) receive() pgproto3.BackendMessage {
	m, err := c.fe.Receive()
	if err != nil {
		var late net.Error
		c.ended, c.stalls = true, errors.As(err, &late) && late.Timeout()
		return nil
	}
	return m
}

// awaitNotifications reads on until there are n, or for as long as those may take that do not come.
func (c *client) awaitNotifications(n int) {
	const lost = 500 * time.Millisecond
	for end := time.Now().Add(lost); !c.ended && len(c.notifications) < n && time.Now().Before(end); <-time.After(5 * time.Millisecond) {
		c.exchange(nil, &pgproto3.Query{})
	}
}
