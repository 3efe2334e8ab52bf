package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
)

// writer writes rows (number, 1), (number, 2), ..., each until it is known to be written, as a
// careful application does: an error on a living connection is answered by ROLLBACK and
// another try; where the outcome is unknown (08007, or the connection is dead) it looks
// whether the row is there before it tries again.
type writer struct {
	number int
	kind   Kind
	dsn    string
	homes  []string     // where a row in doubt is looked for; none: at dsn
	began  atomic.Int64 // when the row at hand was begun, in Unix nanoseconds; 0 between rows

	// Owned by the goroutine of work:
	client   *Client
	dialed   bool
	served   *Client // the last client that has had an answer
	prepared *Client // the last client that has prepared its statement
	inBlock  bool    // BEGIN has been answered, and no end of the transaction

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
		w.served = w.client
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
			a := Attempt{seq, time.Now().UnixMicro()}
			if where, err = w.try(ctx, a); err == nil {
				return where, true
			}
			inDoubt = w.kind != Reading && (w.client.IsClosed() || SQLState(err) == unknownOutcome)
			if !inDoubt {
				w.refuse(a)
			}
		}
		if err != nil && ctx.Err() == nil {
			w.failed(ctx, err)
		}
	}
	return "", false
}

// look asks whether a row in doubt is there.
func (w *writer) look(ctx context.Context, seq int) (bool, error) {
	question := fmt.Sprintf("select count(*) from written where writer = %d and seq = %d", w.number, seq)
	if len(w.homes) == 0 {
		n, err := w.client.Ask(ctx, question)
		return n != "0", err
	}
	for _, home := range w.homes {
		if there, err := lookAt(ctx, home, question); there || err != nil {
			return there, err
		}
	}
	return false, nil
}

// lookAt asks by a connection of its own. After an error it waits as long as one who dials
// again.
func lookAt(ctx context.Context, home, question string) (bool, error) {
	c, err := Dial(ctx, home)
	if err == nil {
		defer c.HangUp()
		var n string
		if n, err = c.Ask(ctx, question); err == nil {
			return n != "0", nil
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(redialPause):
	}
	return false, err
}

// failed records an error and brings a living client out of its transaction.
func (w *writer) failed(ctx context.Context, err error) {
	if errors.Is(err, errRolledBack) {
		w.told(RolledBack)
	} else {
		w.told(SQLState(err))
	}
	if !w.client.IsClosed() && w.client.TxStatus() != 'I' {
		if _, err := w.client.Ask(ctx, "rollback"); err != nil {
			w.told(SQLState(err))
		}
	}
	w.inBlock = false
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
func (w *writer) note(what string) { w.enter(Trouble{At: time.Now(), What: what}) }

// told records an error that the client has met, and what it has done to it.
func (w *writer) told(what string) {
	ended := w.client.IsClosed() && w.client == w.served
	w.enter(Trouble{At: time.Now(), What: what, InBlock: w.inBlock, Ended: ended})
}

func (w *writer) enter(t Trouble) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.account.Troubles = append(w.account.Troubles, t)
}

// refuse records an attempt that has failed for certain.
func (w *writer) refuse(a Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.account.Refused = append(w.account.Refused, a)
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
	a.Acked, a.Troubles, a.Refused = slices.Clip(a.Acked), slices.Clip(a.Troubles), slices.Clip(a.Refused)
	return a
}
