package session

import (
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// What the relay does between two clients, done to model servers: a server is
// brought to the settings of its client, asked for what it does not report, and
// cleaned when its client has gone.

// lend gives a client the server that it has got.
func (c *crowd) lend(one *sharer) {
	s := one.server
	s.by = one
	if what := s.mind.isClean(); what != "" || !s.idle() {
		c.fault("client %d is lent a server that is not clean: %s", one.number, what)
	}
	if want := one.s.Settings(); s.applied != want {
		messages, _ := want.AppendChange(nil, s.applied)
		c.roundTrip(one, messages)
		s.applied = want
	}
	c.sameSettings(one, s.applied)
	one.s.Serve(reportedDefaults, &s.memory)
	c.note(one, "acquires, with %s", settingsText(s.applied))
}

// sameSettings checks that a server has these settings, and no other.
func (c *crowd) sameSettings(one *sharer, want Settings) {
	for name, value := range modelDefaults {
		if set, ok := want.Get(name); ok {
			value = set
		}
		if got := one.server.mind.show(name); got != value {
			c.fault("client %d: the server's %s is %q, and is believed to be %q", one.number, name, got, value)
		}
	}
}

// roundTrip has the server do something of our own.
func (c *crowd) roundTrip(one *sharer, messages []byte) {
	s := one.server
	s.memory.Overwritten()
	for b := messages; len(b) > 0; {
		f, _, _ := wire.Next(b)
		s.take(f)
		b = b[wire.HeaderLen+f.Size:]
	}
	for _, f := range s.out {
		if f.Type == 'E' {
			c.fault("client %d: the server refuses what is our own: %s", one.number, answerText(c.t, f, true))
		}
	}
	s.out = nil
}

func (c *crowd) ownQuery(one *sharer, sql string) {
	c.roundTrip(one, wire.Append(nil, &pgproto3.Query{String: sql}))
}

// giveBack releases a server that is free again.
func (c *crowd) giveBack(one *sharer) {
	if one.server == nil || c.broken != "" {
		return
	}
	if one.leaves && (!one.s.Busy() || !one.s.Completes()) || one.leaves && one.server.asleep {
		c.leave(one)
		return
	}
	if one.s.Busy() || one.s.Status() != 'I' || len(one.server.out) > 0 {
		return
	}
	if one.s.Asks() {
		c.ask(one)
	}
	c.overhears(one)
	switch one.s.Lending() {
	case Kept:
		if held := one.server.mind.holds() || one.s.names.stuck() || one.s.waits; !held {
			c.fault("client %d keeps its server for %q, and has nothing there", one.number, one.s.Pins())
		}
		return
	case Dirty:
		c.replace(one)
	default:
		one.server.applied = one.s.Settings()
		c.release(one)
	}
	one.rest = one.s.Rest()
	c.reset(one)
}

// release gives a server back to all.
func (c *crowd) release(one *sharer) {
	if what := one.server.mind.isClean(); what != "" || !one.server.idle() {
		c.fault("client %d leaves %s", one.number, what)
	}
	c.sameSettings(one, one.server.applied)
	c.note(one, "releases")
	one.server.by, one.server = nil, nil
}

// truth is a boolean as PostgreSQL shows it.
func truth(is bool) []byte { return []byte(map[bool]string{true: "t", false: "f"}[is]) }

// replace closes a server, and opens another in its place.
func (c *crowd) replace(one *sharer) {
	c.note(one, "discards")
	*one.server = *c.open()
	one.server = nil
}

// ask is the question for what the server does not report, and its answer.
func (c *crowd) ask(one *sharer) {
	m := one.server.mind
	one.server.memory.Overwritten()
	answer := [][]byte{[]byte(m.show(role))}
	for _, name := range one.s.asked.names {
		if _, known := modelDefaults[name]; !known {
			answer = append(answer, nil)
			continue
		}
		answer = append(answer, []byte(m.show(name)))
	}
	if one.s.asked.doubt {
		for _, name := range one.s.asked.names {
			source := "session"
			if m.isServers(name) {
				source = "default"
			}
			answer = append(answer, []byte(source))
		}
	}
	if one.s.asked.strangers {
		answer = append(answer, truth(m.hasOther(one.s.known())))
	}
	for p := range one.s.asked.pins.Each {
		has := p == PinTemp && len(m.now.temp) > 0 || p == PinLock && len(m.locks) > 0
		answer = append(answer, truth(has))
	}
	if !one.s.Told(answer) {
		c.fault("the session does not understand the answer to its own question")
	}
}

// settle stands before a ReadyForQuery behind which the client listens or has
// ceased to.
func (c *crowd) settle(one *sharer) {
	s, m := &one.s, one.server.mind
	var come []string
	if s.Listens() {
		one.server.memory.Overwritten()
		come = slices.Clone(m.channels)
	}
	for _, gone := range s.Gone() {
		one.ears = slices.DeleteFunc(one.ears, func(c string) bool { return c == gone || gone == AllChannels })
	}
	one.ears = slices.Compact(slices.Sorted(slices.Values(append(one.ears, come...))))
	s.Settled()
	if len(come) > 0 {
		c.ownQuery(one, "UNLISTEN *")
	}
}

// overhears checks that a client with which all is settled hears what it would.
func (c *crowd) overhears(one *sharer) {
	if len(one.held) > 0 || one.own.asleep || one.own.status != 'I' || one.own.mind.base != nil {
		return // the server of its own is ahead
	}
	want, may := one.own.mind.channels, one.own.mind.doubtful
	for _, name := range want {
		if !slices.Contains(one.ears, name) {
			c.fault("client %d does not hear %s", one.number, name)
		}
	}
	for _, name := range one.ears {
		if !slices.Contains(want, name) && !slices.Contains(may, name) {
			c.fault("client %d still hears %s", one.number, name)
		}
	}
}

// leave ends a client, whose server is cleaned, and has it come again.
func (c *crowd) leave(one *sharer) {
	c.note(one, "is gone")
	if got, want := strings.Join(one.got, " "), strings.Join(one.want, " "); !strings.HasPrefix(want, got) {
		c.compare(one)
	}
	if one.server != nil {
		c.clean(one)
	}
	c.connect(one)
}

// clean makes the server of a client that has gone fit for others, or closes it.
func (c *crowd) clean(one *sharer) {
	s := &one.s
	if s.Working() || s.Busy() || len(one.server.out) > 0 {
		c.replace(one)
		return
	}
	if s.Status() != 'I' {
		c.cleanWith(one, "rollback")
	}
	if s.Listens() {
		c.cleanWith(one, "UNLISTEN *")
		s.Settled()
	}
	switch {
	case s.Washable():
		c.cleanWith(one, "discard all")
		one.server.applied = Settings{}
		one.server.memory.Forget()
	case s.Bound() || s.Asks(), s.Lending() == Dirty:
		c.replace(one)
		return
	default:
		one.server.applied = s.Settings()
	}
	c.release(one)
}

// cleanWith is a statement of our own whose reports are the client's doing.
func (c *crowd) cleanWith(one *sharer, sql string) {
	told := maps.Clone(one.server.mind.told)
	c.ownQuery(one, sql)
	for name, value := range one.server.mind.told {
		if told[name] != value {
			one.s.Reported(serverFrame(c.t, token{"ParameterStatus", []string{reportedSettings[name], value}}))
		}
	}
}
