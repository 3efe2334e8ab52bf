package lab

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	betweenRows    = 5 * time.Millisecond
	redialPause    = 50 * time.Millisecond // between two attempts to connect
	unknownOutcome = "08007"
	everyExplicit  = 4 // each fourth row is written by BEGIN, INSERT, COMMIT
)

// writer writes rows (number, 1), (number, 2), ..., each until it is known to be written, as a
// careful application does: an error on a living connection is answered by ROLLBACK and
// another try; where the outcome is unknown (08007, or the connection is dead) it looks
// whether the row is there before it tries again.
type writer struct {
	number int
	dsn    string
	began  atomic.Int64 // when the row at hand was begun, in Unix nanoseconds; 0 between rows

	client *Client // owned by the goroutine of work
	dialed bool

	mu      sync.Mutex // guards account; nothing waits while it is held
	account Account
}

// work writes until stop is closed, and then finishes the row at hand unless ctx ends.
func (w *writer) work(ctx context.Context, stop <-chan struct{}) {
	tick := time.NewTicker(betweenRows)
	defer tick.Stop()
	defer w.hangUp()
	for seq := 1; ; seq++ {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		a := Ack{Began: time.Now()}
		w.began.Store(a.Began.UnixNano())
		where, ok := w.writeRow(ctx, seq)
		if !ok {
			return
		}
		a.Ended = time.Now()
		w.began.Store(0)
		w.acknowledge(a, where)
	}
}

// writeRow tries until the row is written and tells where, "" if it was found there; false
// when ctx ended first.
func (w *writer) writeRow(ctx context.Context, seq int) (where string, ok bool) {
	inDoubt := false
	for ctx.Err() == nil {
		if !w.ensureClient(ctx) {
			continue
		}
		var err error
		if inDoubt {
			var there bool
			if there, err = w.look(ctx, seq); err == nil {
				inDoubt = false
				w.resolve(there)
				if there {
					return "", true
				}
			}
		} else {
			if where, err = w.try(ctx, seq); err == nil {
				return where, true
			}
			inDoubt = w.client.IsClosed() || SQLState(err) == unknownOutcome
		}
		if err != nil && ctx.Err() == nil {
			w.failed(ctx, err)
		}
	}
	return "", false
}

// sayWhere has an INSERT answer with the server's port and timeline.
const sayWhere = " returning inet_server_port() || ' ' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"

var errRolledBack = errors.New("COMMIT was answered by ROLLBACK")

// try writes the row once.
func (w *writer) try(ctx context.Context, seq int) (where string, err error) {
	insert := fmt.Sprintf("insert into written (writer, seq) values (%d, %d)", w.number, seq) + sayWhere
	switch {
	case seq%everyExplicit == 0:
		return w.tryExplicitly(ctx, insert)
	case w.number%2 == 0:
		return w.client.Ask(ctx, insert)
	}
	return w.client.AskExtended(ctx, "insert into written (writer, seq) values ($1, $2)"+sayWhere,
		strconv.Itoa(w.number), strconv.Itoa(seq))
}

func (w *writer) tryExplicitly(ctx context.Context, insert string) (where string, err error) {
	if _, err = w.client.Ask(ctx, "begin"); err != nil {
		return "", err
	}
	if where, err = w.client.Ask(ctx, insert); err != nil {
		return "", err
	}
	tag, err := w.client.Ask(ctx, "commit")
	if err == nil && tag != "COMMIT" {
		err = errRolledBack
	}
	return where, err
}

// look asks whether a row in doubt is there.
func (w *writer) look(ctx context.Context, seq int) (bool, error) {
	n, err := w.client.Ask(ctx, fmt.Sprintf("select count(*) from written where writer = %d and seq = %d", w.number, seq))
	return n != "0", err
}

// failed notes an error and brings a living client out of its transaction.
func (w *writer) failed(ctx context.Context, err error) {
	if errors.Is(err, errRolledBack) {
		w.note(RolledBack)
	} else {
		w.note(SQLState(err))
	}
	if !w.client.IsClosed() && w.client.TxStatus() != 'I' {
		if _, err := w.client.Ask(ctx, "rollback"); err != nil {
			w.note(SQLState(err))
		}
	}
}

// ensureClient connects if there is no living client, and notes each time after the first.
func (w *writer) ensureClient(ctx context.Context) bool {
	if w.client != nil && !w.client.IsClosed() {
		return true
	}
	if w.dialed {
		w.note("")
	}
	c, err := Dial(ctx, w.dsn)
	if err == nil {
		w.client, w.dialed = c, true
		return true
	}
	if ctx.Err() == nil {
		w.note(SQLState(err))
	}
	select {
	case <-ctx.Done():
	case <-time.After(redialPause):
	}
	return false
}

func (w *writer) hangUp() {
	if w.client != nil {
		w.client.HangUp()
	}
}

// note records an error, or a new connection when what is empty.
func (w *writer) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.account.Troubles = append(w.account.Troubles, Trouble{time.Now(), what})
}

// resolve records how a doubt ended.
func (w *writer) resolve(there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.account.Unknown++
	if there {
		w.account.Found++
	}
}

// acknowledge enters a row that is written for certain.
func (w *writer) acknowledge(a Ack, where string) {
	port, timeline, _ := strings.Cut(where, " ")
	p, badPort := strconv.Atoi(port)
	t, badTimeline := strconv.ParseInt(timeline, 16, 64)
	switch {
	case where == "":
	case badPort != nil || badTimeline != nil:
		w.note(Unreadable)
	default:
		a.Port, a.Timeline = p, t
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.account.Acked = append(w.account.Acked, a)
}

// copy is the account as it is now. It shares what it has with the writer's, which only grows
// beyond it.
func (w *writer) copy() Account {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.account
	a.Acked, a.Troubles = a.Acked[:len(a.Acked):len(a.Acked)], a.Troubles[:len(a.Troubles):len(a.Troubles)]
	return a
}
