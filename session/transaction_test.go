package session

import (
	"fmt"
	"testing"

	"portero/wire"
)

// transactions are what a client and a server say in one, in each protocol.
var transactions = map[string][2]string{
	"simple": {
		`Query("begin") Query("update t set a = 1") Query("commit")`,
		`CommandComplete("BEGIN") ReadyForQuery(T) CommandComplete("UPDATE 1") ReadyForQuery(T) CommandComplete("COMMIT") ReadyForQuery(I)`,
	},
	"extended": {
		`Parse("select 1") Bind Describe(P) Execute Sync`,
		`ParseComplete BindComplete RowDescription(a) DataRow(1) DataRow(2) CommandComplete("SELECT 2") ReadyForQuery(I)`,
	},
	"prepared": {
		`Bind("", s1) Execute Sync`,
		`BindComplete CommandComplete("COMMIT") ReadyForQuery(I)`,
	},
	"copy": {
		`Query("copy t from stdin") CopyData("1") CopyDone`,
		`CopyInResponse CommandComplete("COPY 1") ReadyForQuery(I)`,
	},
	"failing": {
		`Parse("selec") Bind Execute Sync`,
		`ErrorResponse(ERROR 42601) ReadyForQuery(I)`,
	},
}

// transaction is a function that relays one, each time from rest to rest.
func transaction(t testing.TB, name string) func() {
	var client, server []wire.Frame
	for _, k := range tokens(t, transactions[name][0]) {
		client = append(client, clientFrame(t, k))
	}
	for _, k := range tokens(t, transactions[name][1]) {
		server = append(server, serverFrame(t, k))
	}
	var s Session
	var memory Memory
	s.Reset(Rest{})
	if name == "prepared" {
		st := (&Texts{}).statement([]byte("commit\x00\x00\x00"), Settings{})
		s.name("s1", st, true)
		memory.add(st, 10)
	}
	rest := s.Rest()
	return func() {
		s.Reset(rest)
		s.Serve(nil, &memory)
		for _, f := range client {
			if s.FromClient(f, true) != Forward {
				panic("not forwarded")
			}
			s.Send(f)
		}
		for _, f := range server {
			if s.FromServer(f) != Forward {
				panic(fmt.Sprint("not forwarded: ", f.Type, s.Fault))
			}
		}
		if s.Lending() != Free {
			panic("not at rest: " + stateText(&s))
		}
		rest = s.Rest()
	}
}

func TestASessionAllocatesNothing(t *testing.T) {
	for name := range transactions {
		if n := testing.AllocsPerRun(100, transaction(t, name)); n != 0 {
			t.Errorf("%s: %v allocations in a transaction", name, n)
		}
	}
}

// BenchmarkATransaction is what the session itself costs of one.
func BenchmarkATransaction(b *testing.B) {
	for name := range transactions {
		b.Run(name, func(b *testing.B) {
			transact := transaction(b, name)
			for b.Loop() {
				transact()
			}
		})
	}
}
