package session

import (
	"slices"

	"portero/wire"
)

// hear brings one message of its server to a client.
func (c *crowd) hear(one *sharer) {
	if one.server != nil && len(one.server.out) > 0 && c.broken == "" {
		f := one.server.out[0]
		one.server.out = one.server.out[1:]
		switch v := one.s.FromServer(f); v {
		case Forward:
			c.receive(one, f)
		case Discard:
		case Answer:
			c.replies(one)
		case Settle:
			c.replies(one)
			c.settle(one)
			c.receive(one, serverFrame(c.t, token{"ReadyForQuery", []string{"I"}}))
		default:
			c.fault("%s of the server: Verdict %d, %v", answerText(c.t, f, true), v, one.s.Fault)
		}
	}
	c.show(one)
	c.giveBack(one)
}

func (c *crowd) receive(one *sharer, f wire.Frame) {
	text := answerText(c.t, f, true)
	if !c.mute {
		c.note(one, "         %s   %s", text, stateText(&one.s))
	}
	if e := one.client.received(f); e != "" {
		c.fault("%s", e)
	}
	if one.reports = append(one.reports, text); f.Type == 'S' {
		return // these come in any order, before something else
	}
	slices.Sort(one.reports[:len(one.reports)-1])
	for _, text := range one.reports {
		one.got = append(one.got, text)
		if n := len(one.got); n > len(one.want) || one.got[n-1] != one.want[n-1] {
			c.compare(one)
		}
	}
	one.reports = nil
}

func (c *crowd) replies(one *sharer) {
	for b := one.s.Reply; len(b) > 0; {
		f, ok, err := wire.Next(b)
		if !ok || err != nil || !f.Whole() {
			c.fault("broken reply")
			return
		}
		c.receive(one, f)
		b = b[wire.HeaderLen+f.Size:]
	}
	one.s.Reply = one.s.Reply[:0]
}
