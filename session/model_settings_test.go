package session

import (
	"maps"
	"slices"
	"strings"
)

// modelDefaults are the settings that there are, by their names in lower case.
var modelDefaults = map[string]string{
	"timezone": "UTC", "datestyle": "ISO", "application_name": "",
	"search_path": "public", "work_mem": "4MB", "statement_timeout": "0", "role": "none",
}

// reportedSettings are those that a server reports, as it spells them.
var reportedSettings = map[string]string{"timezone": "TimeZone", "datestyle": "DateStyle", "application_name": "application_name"}

// reportedDefaults are a model server's parameters at login.
var reportedDefaults = func() loginDefaults {
	d := loginDefaults{role: "none"}
	for name, spelled := range reportedSettings {
		d[spelled] = modelDefaults[name]
	}
	return d
}()

// assignment is what a statement does to a setting.
type assignment struct {
	name, value string
	local       bool
	reset       bool
}

// show is a setting's value.
func (m *mind) show(name string) string {
	if v, ok := m.now.local[name]; ok {
		return v
	}
	if v, ok := m.now.session[name]; ok {
		return v
	}
	return m.defaults[name]
}

// isServers reports whether a value is not of the session's making.
func (m *mind) isServers(name string) bool {
	_, set := m.now.session[name]
	return !set
}

// hasOther reports whether the session has set something that is not in a list of
// names, nor the role, which pg_settings does not show.
func (m *mind) hasOther(known []string) bool {
	for name := range m.now.session {
		if name != role && !slices.Contains(known, name) {
			return true
		}
	}
	return false
}

// assign sets one setting. A wrong value is refused.
func (m *mind) assign(a assignment) (code string) {
	if _, known := modelDefaults[a.name]; !known {
		return "42704"
	}
	if a.value == "wrong" {
		return "22023"
	}
	session, local := maps.Clone(m.now.session), maps.Clone(m.now.local)
	if session == nil {
		session = map[string]string{}
	}
	if local == nil {
		local = map[string]string{}
	}
	delete(local, a.name)
	switch {
	case a.reset && a.local:
		local[a.name] = m.defaults[a.name]
	case a.reset:
		delete(session, a.name)
	case a.local:
		local[a.name] = a.value
	default:
		session[a.name] = a.value
	}
	m.now.session, m.now.local = session, local
	return ""
}

// sets does a statement that sets something.
func (m *mind) sets(sql string, args []string) (code string, known bool) {
	list, all, known := assignments(sql, args)
	if all {
		list = nil
		for name := range modelDefaults {
			if name != role { // GUC_NO_RESET_ALL
				list = append(list, assignment{name: name, reset: true})
			}
		}
	}
	ifUnset := strings.HasPrefix(sql, restoresUnset)
	for _, a := range list {
		if ifUnset && (a.name == role && m.show(role) != "none" || a.name != role && !m.isServers(a.name)) {
			continue
		}
		if code = m.assign(a); code != "" {
			return code, true
		}
	}
	return "", known
}

// restoresUnset begins what Portero has behind a Query that may have reset something.
const restoresUnset = "SELECT pg_catalog.set_config(base.name, base.value, false) FROM (VALUES "

// assignments reads SET, RESET and calls of set_config, of clients and of our own.
func assignments(sql string, args []string) (list []assignment, all, known bool) {
	sql = strings.ReplaceAll(sql, `"`, "")
	switch {
	case strings.EqualFold(sql, "reset all"):
		return nil, true, true
	case len(sql) > 6 && strings.EqualFold(sql[:6], "reset "):
		return []assignment{{name: strings.ToLower(sql[6:]), reset: true}}, false, true
	case len(sql) > 4 && strings.EqualFold(sql[:4], "set "):
		return []assignment{assignedBy(sql[4:])}, false, true
	case !strings.Contains(sql, "set_config("):
		return nil, false, false
	}
	if rows, ok := strings.CutPrefix(sql, restoresUnset); ok {
		rows, _, _ = strings.Cut(rows, ") AS base")
		sql = strings.ReplaceAll(strings.ReplaceAll(rows, "(", "set_config("), ")", ",false)")
	}
	for _, call := range strings.Split(sql, "set_config(")[1:] {
		call, _, _ = strings.Cut(call, ")")
		w := strings.Split(call, ",")
		for i := range w {
			w[i] = strings.Trim(w[i], " '")
		}
		if w[0] == "$1" && len(args) == 2 {
			w[0], w[1] = args[0], args[1]
		}
		list = append(list, assignment{name: w[0], value: w[1], local: w[2] == "true"})
	}
	return list, false, true
}

// assignedBy reads what stands behind SET.
func assignedBy(rest string) (a assignment) {
	if after, ok := strings.CutPrefix(strings.ToLower(rest), "local "); ok {
		a.local, rest = true, rest[len(rest)-len(after):]
	}
	words := strings.Fields(strings.ReplaceAll(rest, "=", " "))
	a.name = strings.ToLower(words[0])
	a.value = strings.Trim(words[len(words)-1], "'")
	a.reset = strings.EqualFold(a.value, "default")
	return a
}

// reports tells what has changed of the settings that are reported.
func (m *mind) reports(say func(spelled, value string)) {
	for _, name := range slices.Sorted(maps.Keys(reportedSettings)) {
		if v := m.show(name); m.told[name] != v {
			m.told[name] = v
			say(reportedSettings[name], v)
		}
	}
}
