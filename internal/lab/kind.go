package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Kind is how a writer writes its rows.
type Kind int

const (
	Mixed    Kind = iota // Simple or Extended by its number, and each fourth row Explicit
	Simple               // INSERT by the simple protocol
	Extended             // INSERT by the extended protocol, prepared each time
	Prepared             // INSERT as a named statement, prepared once per connection
	Explicit             // BEGIN, INSERT, COMMIT
	Copying              // COPY that takes a third of a second: its first line is the row
	Reading              // no row: a question to the server where it is, and what it is
)

const (
	everyExplicit = 4
	copyLines     = 30
	copyPause     = 10 * time.Millisecond // between two lines
	copyWriter    = -2                    // writer of all lines but the first
)

// sayWhere has an INSERT answer with the server's port and timeline.
const sayWhere = " returning inet_server_port() || ' ' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"

var errRolledBack = errors.New("COMMIT was answered by ROLLBACK")

// try writes the row once, and tells where, as far as the server says so.
func (w *writer) try(ctx context.Context, a Attempt) (where string, err error) {
	switch w.how(a.Row) {
	case Extended:
		return w.client.AskExtended(ctx, insertParameters, w.parameters(a)...)
	case Prepared:
		return w.tryPrepared(ctx, a)
	case Explicit:
		return w.tryExplicitly(ctx, a)
	case Copying:
		return "", w.tryCopy(ctx, a)
	case Reading:
		_, err = w.client.Ask(ctx, "select 42")
		return "", err
	}
	return w.client.Ask(ctx, w.insert(a))
}

// how resolves Mixed.
func (w *writer) how(seq int) Kind {
	switch {
	case w.kind != Mixed:
		return w.kind
	case seq%everyExplicit == 0:
		return Explicit
	case w.number%2 == 0:
		return Simple
	}
	return Extended
}

const insertParameters = "insert into written (writer, seq, begun) values ($1, $2, $3)" + sayWhere

func (w *writer) parameters(a Attempt) []string {
	return []string{strconv.Itoa(w.number), strconv.Itoa(a.Row), strconv.FormatInt(a.Begun, 10)}
}

func (w *writer) insert(a Attempt) string {
	return fmt.Sprintf("insert into written (writer, seq, begun) values (%d, %d, %d)", w.number, a.Row, a.Begun) + sayWhere
}

const (
	statementName    = "write"
	unknownStatement = "26000"
)

func (w *writer) tryPrepared(ctx context.Context, a Attempt) (where string, err error) {
	if w.prepared != w.client {
		if _, err := w.client.Prepare(ctx, statementName, insertParameters, nil); err != nil {
			return "", err
		}
		w.prepared = w.client
	}
	where, err = w.client.AskPrepared(ctx, statementName, w.parameters(a)...)
	if err != nil && SQLState(err) == unknownStatement {
		w.prepared = nil
	}
	return where, err
}

func (w *writer) tryExplicitly(ctx context.Context, a Attempt) (where string, err error) {
	if _, err = w.client.Ask(ctx, "begin"); err != nil {
		return "", err
	}
	w.inBlock = true
	if where, err = w.client.Ask(ctx, w.insert(a)); err != nil {
		return "", err
	}
	tag, err := w.client.Ask(ctx, "commit")
	if err == nil && tag != "COMMIT" {
		err = errRolledBack
	}
	if err == nil {
		w.inBlock = false
	}
	return where, err
}

func (w *writer) tryCopy(ctx context.Context, a Attempt) error {
	tick := time.NewTicker(copyPause)
	defer tick.Stop()
	lines := &slowLines{
		first: strings.Join(w.parameters(a), "\t") + "\n",
		other: fmt.Sprintf("%d\t%d\t%d\n", copyWriter, a.Row, a.Begun),
		tick:  tick.C,
	}
	_, err := w.client.CopyFrom(ctx, lines, "copy written (writer, seq, begun) from stdin")
	return err
}

// slowLines are the lines of a COPY, one for each tick. There is a tick before each, also
// after an error, until there are no more: pgconn waits for the end of what it reads.
type slowLines struct {
	first, other string
	tick         <-chan time.Time
	given        int
}

func (l *slowLines) Read(b []byte) (int, error) {
	if l.given == copyLines {
		return 0, io.EOF
	}
	<-l.tick
	l.given++
	if l.given == 1 {
		return copy(b, l.first), nil
	}
	return copy(b, l.other), nil
}
