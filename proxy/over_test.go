package proxy_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"portero/metrics"
)

// nomads is a Portero of two loops whose clients are sent to and fro as often as they rest.
type nomads struct {
	*world
	clients sync.WaitGroup
}

// moveAll keeps sending all clients to the other loop until stop is closed.
func (n *nomads) moveAll(stop <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		n.proxy.Send(i%2, 1-i%2, 5)
		n.states()
	}
}

// states waits for both loops, whose clients it counts.
func (n *nomads) states() []metrics.ClientState {
	return n.proxy.ClientStates(bounded(n.t))
}

func (n *nomads) moved() (sum uint64) {
	for i := range n.process.Loops {
		sum += n.process.Loops[i].Moved.Load()
	}
	return sum
}

// works has clients do something over and over.
func (n *nomads) works(clients int, parameters []string, does func(r *raw, id, i int)) {
	const times = 150
	for id := range clients {
		r := n.dial(parameters...)
		n.clients.Add(1)
		go func() {
			defer n.clients.Done()
			for i := range times {
				does(r, id, i)
			}
			r.quit()
		}()
	}
}

func TestClientsGoOverToAnotherLoopUnseen(t *testing.T) {
	n := &nomads{world: start(t, size(3), loops(2))}
	stop, stopped := make(chan struct{}), make(chan struct{})
	n.works(2, nil, func(r *raw, id, i int) {
		r.send(q(fmt.Sprintf("begin; select %d; commit", i)))
		if got, want := r.upToReady(), fmt.Sprintf("C(BEGIN) T D(%d) C(SELECT_1) C(COMMIT) Z(I)", i); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
	n.works(3, nil, func(r *raw, id, i int) { // with statements under names, which come and go
		name := fmt.Sprint("s", i%7)
		if i%49 < 7 {
			r.send(parseAs(name, fmt.Sprintf("select $1::int + %d", id)), syncs())
			r.upToReady()
		}
		step := append(messages{bindTo(name, fmt.Sprint(i))}, execute(), syncs())
		r.send(step...)
		if got, want := r.upToReady(), fmt.Sprintf("2 D(%d) C(SELECT_1) Z(I)", i+id); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if i%49 == 48 {
			for k := range 7 {
				r.send(closing(fmt.Sprint("s", k)), syncs())
				r.upToReady()
			}
		}
	})
	n.works(2, []string{"application_name", "set"}, func(r *raw, id, i int) {
		if got := r.value("select current_setting('application_name')"); got != "set" {
			t.Errorf("its setting is %q", got)
		}
	})
	n.works(1, nil, func(r *raw, id, i int) { // who is hit by its own requests, and nobody else is
		r.send(q("select pg_sleep(0.0005)"))
		n.cancel(r)
		if s := r.untilError(); s != " Z(I)" && s != "E(ERROR_57014) Z(I)" {
			t.Error(s)
		}
	})
	go func() {
		defer close(stopped)
		n.moveAll(stop)
	}()
	n.clients.Wait()
	close(stop)
	<-stopped
	if n.moved() < 20 {
		t.Errorf("%d moves", n.moved())
	}
	n.nothingIsLeft()
}

// nothingIsLeft: the books of both loops are empty.
func (n *nomads) nothingIsLeft() {
	n.t.Helper()
	eventually(n.t, "all are gone", func() bool { return n.proxy.Clients() == 0 })
	for i := range n.process.Loops {
		if c := n.process.Loops[i].Clients.Load(); c != 0 {
			n.t.Errorf("loop %d counts %d clients", i, c)
		}
	}
	if b := n.proxy.Texts(); b != 0 {
		n.t.Errorf("%d bytes of texts are counted", b)
	}
}

func TestWhoListensHearsAllWhileItMoves(t *testing.T) {
	n := &nomads{world: start(t, size(2), loops(2))}
	ear, sender := n.dial(), n.dial()
	ear.ask("C(LISTEN) Z(I)", q("listen news"))
	for i := range 200 {
		n.proxy.Send(i%2, 1-i%2, 2)
		sender.query(fmt.Sprintf("notify news, '%d'", i))
		ear.hears(fmt.Sprint("news=", i))
		if i%3 == 0 {
			ear.ask("I Z(I)", q(""))
		}
	}
	if n.moved() < 20 {
		t.Errorf("%d moves", n.moved())
	}
	ear.quit()
	sender.quit()
	n.nothingIsLeft()
}

// Whoever looks at clients, or has them end, finds them wherever they are.
func TestClientsAreFoundWhileTheyMove(t *testing.T) {
	n := &nomads{world: start(t, size(2), loops(2))}
	const clients = 8
	var working sync.WaitGroup
	for range clients {
		r := n.dial()
		working.Add(1)
		go func() {
			defer working.Done()
			r.worksOn()
		}()
	}
	for i := range 100 {
		n.proxy.Send(i%2, 1-i%2, 5)
		if got := len(n.states()); got != clients {
			t.Errorf("%d clients", got)
		}
	}
	eventually(t, "moves", func() bool { return n.moved() > 20 })
	n.proxy.Send(0, 1, clients)
	n.proxy.Shutdown(context.Background())
	working.Wait()
	n.nothingIsLeft()
}

// worksOn asks until it is told that Portero ends.
func (r *raw) worksOn() {
	last := ""
	for {
		r.fe.Send(q("select 1"))
		r.fe.Flush() //nolint:errcheck // the next Receive tells
		for w := ""; w != "Z(I)"; last = w {
			m, err := r.fe.Receive()
			if err != nil {
				if last != "E(FATAL_57P01)" {
					r.t.Errorf("%v behind %q", err, last)
				}
				return
			}
			w = word(m)
		}
	}
}

// A client in session mode stays with its server, one in a block with its transaction.
func TestWhoHasAServerStays(t *testing.T) {
	for _, m := range []string{"session", "transaction"} {
		n := &nomads{world: start(t, size(2), loops(2), mode(m))}
		r := n.dial()
		if m == "transaction" {
			r.query("begin")
		}
		for i := range 10 {
			n.proxy.Send(i%2, 1-i%2, 5)
			r.query("select 1")
		}
		if n.moved() != 0 {
			t.Errorf("%s: %d moves", m, n.moved())
		}
		n.close()
	}
}
