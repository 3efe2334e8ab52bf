package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"portero/config"
)

// What a client may prepare is bounded, and it is told by what.
func TestAClientThatPreparesWithoutEndIsTold(t *testing.T) {
	w := start(t, size(1), limits(func(p *config.Pool) { p.MaxClientStatements = 100 }))
	c := w.dial()
	for i := range 100 {
		c.fe.Send(parseAs(fmt.Sprint("n", i), "select 1"))
	}
	if got := c.converse(messages{syncs()}); strings.Contains(got, "E(") {
		t.Fatal(got)
	}
	const told = "E(53400 a client can have no more than 100 prepared statements (max_client_statements)"
	if got := c.converse(messages{parseAs("more", "select 1"), bindTo("more"), syncs()}); !strings.HasPrefix(got, told) {
		t.Errorf("one more: %s", got)
	}
	if got := c.converse(messages{q("prepare more as select 1")}); !strings.HasPrefix(got, told) {
		t.Errorf("one more by PREPARE: %s", got)
	}
	if got := c.converse(messages{closing("n1"), parseAs("more", "select 'more'"), bindTo("more"), execute(), syncs()}); !strings.Contains(got, "D(more)") {
		t.Errorf("one more in place of another: %s", got)
	}
}

// long is a statement of some 1000 bytes, another one for each number.
func long(number int) string {
	return fmt.Sprintf("select %d -- %s", number, strings.Repeat("x", 1000))
}

func TestTheTextsOfAClientsStatementsAreBounded(t *testing.T) {
	w := start(t, size(1), limits(func(p *config.Pool) { p.MaxClientStatementBytes = 3500 }))
	c := w.dial()
	prepare := func(number int) string {
		return c.converse(messages{parseAs(fmt.Sprint("n", number), long(number)), syncs()})
	}
	const told = "E(53400 the prepared statements of a client can have no more than 3500 bytes (max_client_statement_bytes)"
	for i := range 3 {
		if got := prepare(i); got != "1 Z(I)" {
			t.Fatal(got)
		}
	}
	if got := prepare(3); !strings.HasPrefix(got, told) {
		t.Errorf("one more: %s", got)
	}
	if got := c.converse(messages{q("prepare more as " + long(3))}); !strings.HasPrefix(got, told) {
		t.Errorf("one more by PREPARE: %s", got)
	}
	for _, free := range []messages{{closing("n0"), syncs()}, {q("deallocate n1")}, {q("deallocate all")}, {q("discard all")}} {
		if got := c.converse(free); strings.Contains(got, "E(") {
			t.Fatal(got)
		}
		if got := c.converse(messages{parseAs("more", long(4)), closing("more"), syncs()}); got != "1 3 Z(I)" {
			t.Errorf("behind %v: %s", free, got)
		}
	}
}

// Each client keeps within its own limit here, and all together are too many. What
// all have in common counts once, and what ends with a client is free for others.
func TestTheTextsOfAllClientsStatementsAreBounded(t *testing.T) {
	w := start(t, size(1), limits(func(p *config.Pool) { p.MaxStatementBytes = 5500 }))
	clients := make([]*raw, 5)
	for i := range clients {
		clients[i] = w.dial()
		for _, number := range []int{0, 1 + i} {
			if got := clients[i].converse(messages{parseAs(fmt.Sprint("n", number), long(number)), syncs()}); i < 4 && got != "1 Z(I)" {
				t.Fatalf("client %d: %s", i, got)
			} else if i == 4 && number != 0 && !strings.HasPrefix(got, "E(53400 there is no room for the prepared statements of more clients (max_statement_bytes)") {
				t.Errorf("one more: %s", got)
			}
		}
	}
	clients[0].quit()
	more := messages{parseAs("more", long(99)), syncs()}
	eventually(t, "the texts of a client that has ended are free", func() bool { return clients[4].converse(more) == "1 Z(I)" })
}
