package session

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// does is a statement that a mind keeps something of, or tells of what it has.
// value is what a SELECT returns. known is false for all other statements.
func (m *mind) does(sql string, args []string, again bool) (value, code string, known bool) {
	if code, known = m.transact(sql); known {
		return "", code, true
	}
	if strings.HasPrefix(sql, "select ") {
		return m.selects(sql, args, again)
	}
	if code, known = m.sets(sql, args); known {
		return "", code, true
	}
	word, rest, _ := strings.Cut(sql, " ")
	switch word {
	case "create":
		return "", m.creates(strings.TrimPrefix(rest, "temp table ")), true
	case "drop":
		return "", m.drops(strings.TrimPrefix(rest, "table ")), true
	case "listen", "unlisten":
		m.now.heeds = append(slices.Clone(m.now.heeds), deedOf(word, rest))
		return "", "", true
	case "UNLISTEN":
		m.now.heeds = append(slices.Clone(m.now.heeds), heedUnlisten+AllChannels)
		return "", "", true
	}
	return "", "", false
}

// deedOf is a LISTEN or UNLISTEN, with its channel.
func deedOf(word, channel string) string {
	switch {
	case word == "listen":
		return heedListen + channel
	case channel == "*":
		return heedUnlisten + AllChannels
	}
	return heedUnlisten + channel
}

// selects is a SELECT; one that has been suspended does nothing again.
func (m *mind) selects(sql string, args []string, again bool) (value, code string, known bool) {
	what := strings.TrimPrefix(sql, "select ")
	switch {
	case what == "current_user":
		return m.show(role), "", true
	case strings.HasPrefix(what, "current_setting('"):
		return m.show(strings.Split(what, "'")[1]), "", true
	case strings.HasPrefix(what, "* from "):
		return "a row", "", true // that the table is there has been looked at
	case again:
		return "done", "", strings.Contains(what, "(")
	case strings.Contains(what, "set_config("):
		code, _ = m.sets(sql, args)
		return "set", code, true
	case strings.HasPrefix(what, "pg_advisory_unlock_all"):
		clear(m.locks)
		return "", "", true
	case strings.HasPrefix(what, "pg_advisory_lock"):
		m.locks[what[len("pg_advisory_lock"):]]++
		return "", "", true
	case strings.HasPrefix(what, "pg_advisory_unlock"):
		return m.unlocks(what[len("pg_advisory_unlock"):]), "", true
	}
	return "", "", false
}

func (m *mind) unlocks(key string) string {
	held := m.locks[key] > 0
	if m.locks[key]--; m.locks[key] <= 0 {
		delete(m.locks, key)
	}
	return fmt.Sprint(held)
}

func (m *mind) creates(rest string) (code string) {
	name, commit, _ := strings.Cut(rest, " ")
	if _, there := m.now.temp[name]; there {
		return "42P07"
	}
	temp := maps.Clone(m.now.temp)
	if temp == nil {
		temp = map[string]bool{}
	}
	temp[name] = commit == "on commit drop"
	m.now.temp = temp
	return ""
}

func (m *mind) drops(name string) (code string) {
	if _, there := m.now.temp[name]; !there {
		return "42P01"
	}
	temp := maps.Clone(m.now.temp)
	delete(temp, name)
	m.now.temp = temp
	return ""
}

// read is a statement as it is understood when it is parsed: its literals by the
// settings in force then.
func (m *mind) read(sql string) string {
	if m == nil {
		return sql
	}
	return strings.Replace(sql, "'2/1'::date", "the day 2/1 in "+m.show("datestyle"), 1)
}

// misses reports whether a statement reads a table that is not there.
func (m *mind) misses(sql string) bool {
	if m == nil {
		return false
	}
	name, ok := strings.CutPrefix(sql, "select * from ")
	_, there := m.now.temp[name]
	return ok && !there
}

// tagOf is the command tag of a statement, where it is not the statement itself.
func tagOf(sql string, failed bool) string {
	switch word, rest, _ := strings.Cut(strings.ToUpper(sql), " "); word {
	case "COMMIT":
		if failed {
			return "ROLLBACK"
		}
		return word
	case "SELECT", "EXECUTE":
		return "SELECT 1"
	case "DEALLOCATE", "DISCARD":
		if rest == "ALL" {
			return word + " ALL"
		}
		return word
	case "CREATE", "DROP":
		return word + " TABLE"
	default:
		return word
	}
}
