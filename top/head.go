package top

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// rates are how many there were in a second, between two samples.
type rates struct {
	transactions, queries float64
	known                 bool
}

// ratesOf is what the counters of two samples tell. Where one of them has gone back, or there
// is but one sample, nothing is known: the process has been started anew.
func ratesOf(before, now *sample) (r rates) {
	if before == nil || now == nil {
		return r
	}
	elapsed := now.at.Sub(before.at).Seconds()
	older := make(map[string]row)
	for _, o := range before.rows("stats_totals") {
		older[o.text("database")] = o
	}
	if elapsed <= 0 || len(older) == 0 {
		return r
	}
	var transactions, queries int64
	for _, n := range now.rows("stats_totals") {
		if n.text("database") == consoleDatabase {
			continue
		}
		o := older[n.text("database")] // none: it began at nothing
		t, q := n.number("xact_count")-o.number("xact_count"), n.number("query_count")-o.number("query_count")
		if t < 0 || q < 0 {
			return rates{}
		}
		transactions, queries = transactions+t, queries+q
	}
	return rates{float64(transactions) / elapsed, float64(queries) / elapsed, true}
}

func (r rates) words() string {
	if !r.known {
		return "tx/s -  q/s -"
	}
	return fmt.Sprintf("tx/s %s  q/s %s", figure(r.transactions), figure(r.queries))
}

// figure is a rate in a few digits.
func figure(f float64) string {
	if f < 10 && f != 0 {
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.0f", f)
}

// waits are how many clients wait, and how long the first has.
func waits(s *sample) (clients int64, longest time.Duration) {
	for _, r := range s.rows("pools") {
		clients += r.number("cl_waiting")
		longest = max(longest, time.Duration(r.number("maxwait"))*time.Second+time.Duration(r.number("maxwait_us"))*time.Microsecond)
	}
	return clients + whole(s.pairs("portero", "name", "value")["candidates_waiting"]), longest
}

// title is the first line: what is looked at, and whether it serves.
func (m *Model) title() []span {
	s := m.now
	about := s.pairs("portero", "name", "value")
	name := "PgBouncer"
	if s.has("portero") {
		name = "Portero " + about["version"]
	} else if rows := s.rows("version"); len(rows) > 0 {
		name = rows[0].text("version")
	}
	spans := []span{{name, bold}, {"  " + m.target, plain}}
	if up := about["uptime"]; up != "" {
		spans = append(spans, span{"  up " + up, plain})
	}
	switch state := m.serving(about); {
	case state == "":
	case state == "ready":
		spans = append(spans, span{"  ready", good})
	default:
		spans = append(spans, span{"  " + state, alarm})
	}
	return spans
}

// serving is whether clients are served, as far as the console tells.
func (m *Model) serving(about map[string]string) string {
	states := m.now.pairs("state", "key", "value")
	switch {
	case m.trouble != "" && m.now != nil:
		return "not answering" // whatever it said before
	case states["suspended"] == "yes":
		return "suspended"
	case states["paused"] == "yes":
		return "paused"
	case about["ready"] == "no":
		return "not ready: " + about["not_ready"]
	case about["ready"] == "yes":
		return "ready"
	}
	return ""
}

// figures is the second line.
func (m *Model) figures() []span {
	s := m.now
	lists := s.pairs("lists", "list", "items")
	limit := cmp.Or(s.pairs("portero", "name", "value")["clients_limit"], s.pairs("config", "key", "value")["max_client_conn"])
	text := "clients " + lists["used_clients"]
	if limit != "" {
		text += " of " + limit
	}
	clients, longest := waits(s)
	waiting, style := fmt.Sprintf("  waiting %d", clients), plain
	if clients > 0 {
		style = alarm
		if longest > 0 {
			waiting += " (" + m.signs.wait(longest) + ")"
		}
	}
	servers := whole(lists["used_servers"]) + whole(lists["free_servers"])
	return []span{{text, plain}, {waiting, style}, {fmt.Sprintf("  servers %d  %s", servers, ratesOf(m.before, m.now).words()), plain}}
}

// leaders is the third line: who leads each group, those without a leader first.
func (m *Model) leaders() []span {
	if !m.now.has("groups") {
		return []span{{"leaders: the console has no table of groups", dim}}
	}
	var first, rest []span
	for _, g := range m.now.rows("groups") {
		leader := g.text("leader")
		switch note, style := groupNote(g); {
		case style == alarm:
			first = append(first, span{groupOf(g) + " " + note, alarm})
		case style == warn:
			first = append(first, span{groupOf(g) + " " + cmp.Or(leader, "hosts are asked") + " (" + note + ")", warn})
		default:
			rest = append(rest, span{groupOf(g) + " " + cmp.Or(leader, "hosts are asked"), good})
		}
	}
	spans := []span{{"leaders  ", plain}}
	for i, s := range append(first, rest...) {
		if i > 0 {
			spans = append(spans, span{m.signs.bar, plain})
		}
		spans = append(spans, s)
	}
	return spans
}

// tabs names the views, in few letters where there is little room, and which rows are shown.
func (m *Model) tabs(width int, extent string) []span {
	var spans []span
	for i, v := range views {
		name := fmt.Sprintf(" %d %s ", i+1, v.name)
		if width < 70 && i != m.view {
			name = fmt.Sprintf(" %d %s ", i+1, v.name[:4])
		}
		style := dim
		if i == m.view {
			style = tab
		}
		spans = append(spans, span{name, style})
	}
	spans = append(spans, span{extent, plain})
	switch {
	case m.typing:
		spans = append(spans, span{"  /" + m.filter + "_", bold})
	case m.filter != "":
		spans = append(spans, span{"  /" + m.filter, bold})
	}
	return spans
}

// foot is the last line.
func (m *Model) foot(width int) []span {
	switch {
	case m.trouble != "":
		return []span{{m.trouble, alarm}}
	case m.paused:
		return []span{{"paused: the space bar goes on", warn}}
	case m.typing:
		return []span{{"Enter keeps the filter, Esc drops it", dim}}
	}
	keys := "1-6 view  < > sort  r reverse  / filter  space pause  + - speed  ? help  q quit"
	if width < len(keys) {
		keys = "1-6 view  < > sort  / filter  ? help  q quit"
	}
	return []span{{keys, dim}}
}

// pace is how often there is a sample.
func (m *Model) pace() string {
	if m.paused {
		return "paused"
	}
	text := m.interval.String()
	for _, zero := range []string{"m0s", "h0m"} { // as in 1h0m0s
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-len("0s")]
		}
	}
	return "every " + text
}
