package session

import (
	"strings"

	"portero/wire"
)

// setups are statements that set something up, or show it.
var setups = []string{
	"set timezone = Tokyo", "set local timezone = Rome", "reset timezone", "set datestyle = German", "set local datestyle = SQL", "reset datestyle",
	"set application_name = mine", "set work_mem = 8MB", "set local work_mem = 2MB", "reset work_mem", "set search_path = low", "reset search_path",
	"set statement_timeout = 1000", "set role low", "set local role low", "set role none", "reset role", "set work_mem = wrong", "set nothing = 1", "reset all",
	"select set_config('work_mem', '3MB', false)", "select set_config('work_mem', '3MB', true)", "select set_config('timezone', 'Bern', false)",
	"set work_mem to default", "set timezone to default",
	"select current_setting('work_mem')", "select current_setting('work_mem')", "select current_setting('timezone')", "select current_setting('search_path')",
	"select current_setting('statement_timeout')", "select current_user", "select current_user", "select '2/1'::date", "select '2/1'::date",
	"create temp table x1", "create temp table x2 on commit drop", "drop table x1", "select * from x1", "select * from x2",
	"select pg_advisory_lock(7)", "select pg_advisory_unlock(7)", "select pg_advisory_unlock(7)", "select pg_advisory_unlock_all()", "select pg_advisory_xact_lock(7)",
	"listen c1", "listen c2", "unlisten c1", "unlisten *", "notify c1",
}

// ways are what most transactions are made of.
var ways = []string{
	"begin", "begin", "begin", "commit", "commit", "rollback", "savepoint a", "savepoint a", "savepoint b", "rollback to a", "rollback to a", "rollback to b", "release a", "fail", sleep,
}

// next makes a step up.
func (c *crowd) next(choose func(n int) int) step {
	one := c.clients[choose(len(c.clients))]
	s := step{client: one.number}
	switch n := choose(64); {
	case n < 32:
		s.verb = hears
	case n == 32:
		s.verb, s.messages = cuts, []token{one.client.next(choose)}
		s.bytes = choose(len(frameBytes(clientFrame(c.t, s.messages[0])))) // less than all
	case n == 33:
		s.verb = quits
	case n < 38:
		s.verb = cancels
	default:
		s.verb, s.messages = says, one.speech(choose)
	}
	return s
}

// speech is what a client sends at once.
func (one *sharer) speech(choose func(n int) int) []token {
	m := &one.client
	if m.copying || m.group || choose(3) == 0 {
		if k := m.next(choose); m.may(k) {
			return []token{k}
		}
		return []token{{word: "Sync"}}
	}
	pick := func(from []string) string { return from[choose(len(from))] }
	text := func() string {
		if choose(3) == 0 {
			return pick(ways)
		}
		return pick(setups)
	}
	switch choose(8) {
	case 0:
		first, second := text(), text()
		if resetBy([]byte(first)) != "" && meetsDefault(second) {
			second = "select 1"
		}
		if first == "reset role" || second == "reset role" {
			return []token{{"Query", []string{"reset role"}}} // what becomes of it beside others the server does not tell
		}
		return []token{{"Query", []string{first + "; " + second}}}
	case 1:
		return []token{{"Query", []string{pick([]string{"discard all", "reset all", "reset all; set timezone = Tokyo"})}}}
	case 2:
		return []token{{"Parse", []string{pick([]string{"s1", "s2"}), text()}}, {word: "Sync"}}
	case 3, 4:
		name := pick([]string{"", "s1", "s2"})
		list := []token{{"Bind", []string{"", name}}, {"Execute", []string{"", pick([]string{"0", "0", "1"})}}, {word: "Sync"}}
		if choose(3) > 0 {
			list = append([]token{{"Parse", []string{name, text()}}}, list...)
		}
		return list
	}
	return []token{{"Query", []string{text()}}}
}

// meetsDefault reports whether a statement behind a RESET in the same Query would meet
// the server's own value, or have something go back to it.
func meetsDefault(sql string) bool {
	for _, begin := range [...]string{"select ", "savepoint ", "set local "} {
		if strings.HasPrefix(sql, begin) {
			return true
		}
	}
	return false
}

// may reports whether a client in this state sends such a message at all. Left out
// is also what is known to be otherwise than on a server of its own.
func (m *modelClient) may(k token) bool {
	switch k.word {
	case "CopyData", "CopyFail":
		return m.copying
	case "Sync", "Flush":
		return !m.copying || k.word == "Flush" && m.data || k.word == "Sync" && !m.data
	case "CopyDone":
		return true
	case "Describe": // a server describes the parameters before it finds that a table is gone; who has to be given the statement first does not
		if k.args[0] == "S" && strings.Contains(m.named[k.args[1]], "* from x") {
			return false
		}
	}
	return !m.copying
}

// do does a step, as far as it is one in the state that the clients are in: of a
// script some steps may be left out.
func (c *crowd) do(s step) {
	one := c.clients[s.client]
	switch s.verb {
	case hears:
		c.hear(one)
	case cancels:
		c.cancel(one)
	case quits:
		c.quit(one)
	case cuts:
		c.cut(one, s)
	case says:
		for _, k := range s.messages {
			if !one.leaves && one.client.may(k) && c.broken == "" {
				c.say(one, k)
			}
		}
	}
}

// cut has a client go with a message half sent: what was whole is taken, as far
// as there is a server for it.
func (c *crowd) cut(one *sharer, s step) {
	if one.leaves {
		return
	}
	c.note(one, "sends %d bytes of %s, and is gone", s.bytes, describeToken(s.messages[0]))
	half := frameBytes(clientFrame(c.t, s.messages[0]))[:s.bytes]
	if f, ok, err := wire.Next(half); err != nil || ok && f.Whole() {
		c.fault("half a message is taken for a whole one")
	}
	for len(one.held) > 0 && one.server != nil && len(one.server.out) > 0 && c.broken == "" {
		c.hear(one)
	}
	c.leave(one)
}

// quit is a Terminate: what was asked is done, if it comes to an end by itself.
func (c *crowd) quit(one *sharer) {
	if one.leaves || len(one.held) > 0 {
		return // it stands behind what waits
	}
	if v := one.s.FromClient(wire.Frame{Type: 'X'}, one.server != nil); v != Finish {
		c.fault("a goodbye: Verdict %d", v)
	}
	one.leaves = true
	c.note(one, "says goodbye")
	if one.server == nil {
		c.leave(one)
		return
	}
	c.giveBack(one)
}

// cancel is a CancelRequest for what lasts. It comes when the server is at it, or
// while the client waits for one.
func (c *crowd) cancel(one *sharer) {
	if !one.own.asleep {
		return
	}
	for n := 0; n < 1000 && c.broken == "" && one.server != nil && !one.server.asleep && (len(one.server.out) > 0 || len(one.held) > 0); n++ {
		c.hear(one)
	}
	switch {
	case one.server != nil && one.server.asleep:
		one.server.cancel()
	case one.server == nil && one.asked && one.held[0].Type == 'Q' && bodyWords(one.held[0])[0] == sleep:
		one.asked, one.held = false, one.held[1:]
		one.s.Refuse(wire.Errorf(wire.QueryCanceled, "canceling statement due to user request"))
	default:
		return
	}
	c.note(one, "cancels")
	one.own.cancel()
	c.wanted(one)
	c.replies(one)
	c.show(one)
}

func frameBytes(f wire.Frame) []byte { return append(header(f.Type, f.Size), f.Body...) }
