package proxy_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Of a stream of any length Portero has no more than a buffer, whoever of the two is slow, and
// it comes byte for byte as it was written.
func TestWALToASlowReaderTakesNoMemory(t *testing.T) {
	const size = 100 << 20
	w := startPublishing(t)
	w.publish("create table bulk (t text)", "alter table bulk alter t set storage external")
	defer w.publish("drop table bulk")
	r := w.streaming()
	w.publish("insert into bulk select repeat('x', 1024 * 1024) from generate_series(1, 100)")
	grown := heapGrowth(func(look func()) {
		sent := ""
		eventually(t, "the walsender waits for its reader", func() bool {
			before := sent
			sent = atPublisher(t, "select min(sent_lsn) from pg_stat_replication where pg_current_wal_lsn() - sent_lsn > 50000000")
			return sent == before
		})
		look()
		seen, next := 0, 0
		var at, behind uint64
		for seen < size {
			if seen >= next {
				look()
				next += 16 << 20
			}
			m, is := r.receive().(*pgproto3.CopyData)
			if !is || m.Data[0] != 'w' {
				continue
			}
			at = binary.BigEndian.Uint64(m.Data[1:])
			if behind != 0 && at != behind {
				t.Fatalf("WAL from %X, where %X is to come", at, behind)
			}
			behind = at + uint64(len(m.Data)-25)
			seen += len(m.Data) - 25
		}
		look()
	})
	if grown > maxGrowth {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	r.conn.Close()
	noSenders(t)
}

// A client that asks and does not read holds up itself alone, in both directions.
func TestAClientThatAsksAndDoesNotReadTakesNoMemory(t *testing.T) {
	const questions, answer, padding = 500, 100_000, 20_000 // 50 MB of answers to 10 MB of questions
	w := startPublishing(t)
	r := w.replicate("database")
	ask := must(q("select repeat('x', 100000) -- " + strings.Repeat("y", padding)).Encode(nil))(t)
	grown := heapGrowth(func(look func()) {
		written := make(chan error, 1)
		go func() {
			_, err := r.conn.Write(bytes.Repeat(ask, questions))
			written <- err
		}()
		eventually(t, "the walsender waits for its client", func() bool {
			return atPublisher(t, "select count(*) from pg_stat_activity where backend_type = 'walsender' and wait_event = 'ClientWrite'") == "1"
		})
		look()
		r.drink(questions*answer, 8<<20, look)
		if err := <-written; err != nil {
			t.Error(err)
		}
	})
	if grown > maxGrowth+questions*int64(len(ask)) { // the test has all questions at hand
		t.Errorf("the heap grew by %d bytes", grown)
	}
	r.conn.Close()
	noSenders(t)
}
