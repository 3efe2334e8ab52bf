package session

import (
	"maps"
	"slices"
	"strings"
)

// mind is what a client has set up on a modelServer and PostgreSQL keeps for
// it: settings, temporary tables, channels, locks; with the transactions and
// savepoints that take it back.
type mind struct {
	defaults map[string]string // of settings, as RESET finds them
	told     map[string]string // settings as they have been reported

	now     fluid
	base    *fluid // as it was when the transaction began; nil: there is none
	savings []saving
	turned  bool // it has gone back to a savepoint

	locks    map[string]int // of the session: no rollback takes them back
	channels []string       // that it listens to, sorted
	doubtful []string       // ... or would still, had a savepoint not been rolled back to
}

// fluid is what follows its transaction. It is never changed, but replaced.
type fluid struct {
	session, local map[string]string // settings, and those of SET LOCAL
	temp           map[string]bool   // tables; true: dropped at the commit
	heeds          []string          // LISTENs and UNLISTENs, as heedOf has them
}

type saving struct {
	name string
	was  fluid
}

func newMind(start map[string]string) *mind {
	m := &mind{defaults: maps.Clone(modelDefaults), told: map[string]string{}, locks: map[string]int{}}
	maps.Copy(m.defaults, start)
	for name := range reportedSettings {
		m.told[name] = m.defaults[name]
	}
	return m
}

// begins is called before anything is done: it is in a transaction, its own or
// one that is open.
func (m *mind) begins() {
	if m.base == nil {
		was := m.now
		m.base = &was
	}
}

// ends is the end of the transaction.
func (m *mind) ends(committed bool) {
	if m.base != nil && !committed {
		m.now = *m.base
	}
	for _, what := range m.now.heeds {
		m.heed(what)
	}
	m.now.local, m.now.heeds, m.base, m.savings, m.turned = nil, nil, nil, nil, false
	temp := maps.Clone(m.now.temp)
	maps.DeleteFunc(temp, func(_ string, fleeting bool) bool { return fleeting })
	m.now.temp = temp
}

// fails is an error in a block: what was done since the last savepoint is undone
// at once.
func (m *mind) fails() {
	if n := len(m.savings); n > 0 {
		m.now = m.savings[n-1].was
	} else if m.base != nil {
		m.now = *m.base
	}
}

func (m *mind) heed(what string) {
	channel := what[1:]
	m.doubtful = slices.DeleteFunc(m.doubtful, func(c string) bool { return c == channel || channel == AllChannels })
	switch {
	case what[:1] == heedListen && !slices.Contains(m.channels, channel):
		m.channels = append(m.channels, channel)
		slices.Sort(m.channels)
	case what[:1] == heedUnlisten:
		if m.turned {
			m.doubtful = append(m.doubtful, m.channels...)
		}
		m.channels = slices.DeleteFunc(m.channels, func(c string) bool { return c == channel || channel == AllChannels })
	}
}

// saved finds a savepoint, the last of its name.
func (m *mind) saved(name string) int {
	for i := len(m.savings) - 1; i >= 0; i-- {
		if m.savings[i].name == name {
			return i
		}
	}
	return -1
}

// returns is ROLLBACK TO.
func (m *mind) returns(name string) (code string) {
	i := m.saved(name)
	if i < 0 {
		return "3B001"
	}
	m.now, m.savings, m.turned = m.savings[i].was, m.savings[:i+1], true
	return ""
}

// transact does SAVEPOINT and RELEASE.
func (m *mind) transact(sql string) (code string, known bool) {
	if name, ok := strings.CutPrefix(sql, "savepoint "); ok {
		m.savings = append(m.savings[:len(m.savings):len(m.savings)], saving{name, m.now})
		return "", true
	}
	name, ok := strings.CutPrefix(sql, "release ")
	if !ok {
		return "", false
	}
	i := m.saved(name)
	if i < 0 {
		return "3B001", true
	}
	m.savings = m.savings[:i]
	return "", true
}

// discards is DISCARD ALL, which stands in no transaction.
func (m *mind) discards() {
	m.now, m.channels = fluid{}, nil
	clear(m.locks)
}

// isClean reports what nobody else may find; "" is nothing.
func (m *mind) isClean() string {
	switch {
	case m.base != nil, len(m.savings) > 0, len(m.now.local) > 0, len(m.now.heeds) > 0:
		return "a transaction"
	case len(m.now.temp) > 0:
		return "a temporary table"
	case len(m.locks) > 0:
		return "an advisory lock"
	case len(m.channels) > 0:
		return "a channel it listens to"
	}
	return ""
}

// holds reports whether something keeps the client at this server.
func (m *mind) holds() bool { return len(m.now.temp) > 0 || len(m.locks) > 0 }
