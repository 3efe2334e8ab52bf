package top

import (
	"cmp"
	"fmt"
	"net"
	"strings"
	"time"
)

// poolRows are SHOW ALL_POOLS, or PgBouncer's SHOW POOLS.
func poolRows(s *sample, sym *symbols) (lines []line) {
	if !s.has("all_pools") {
		return plainPoolRows(s, sym)
	}
	groups := make(map[string]row)
	for _, g := range s.rows("groups") {
		groups[groupOf(g)] = g
	}
	for _, r := range s.rows("all_pools") {
		state, style := "", plain
		g := groups[groupOf(r)]
		switch {
		case r.text("paused") == "yes":
			state, style = "paused", warn
		case r.text("disabled") == "yes":
			state, style = "disabled", warn
		case r.text("role") == "leader" && g.text("held") != "":
			state, style = g.text("held"), alarm
		}
		if r.number("cl_waiting") > 0 {
			style = alarm
		}
		lines = append(lines, line{[]string{
			r.text("database"), r.text("user"), groupOf(r), r.text("role"), r.text("pool_mode"),
			r.text("clients"), r.text("cl_active"), r.text("cl_waiting"), sym.wait(time.Duration(r.number("maxwait_us")) * time.Microsecond),
			r.text("sv_active"), r.text("sv_idle"), r.text("sv_login"), r.text("pool_size"), state, r.text("pins"), r.text("trouble"),
		}, style})
	}
	return lines
}

func plainPoolRows(s *sample, sym *symbols) (lines []line) {
	for _, r := range s.rows("pools") {
		if r.text("database") == consoleDatabase {
			continue
		}
		style := plain
		if r.number("cl_waiting") > 0 {
			style = alarm
		}
		waited := time.Duration(r.number("maxwait"))*time.Second + time.Duration(r.number("maxwait_us"))*time.Microsecond
		lines = append(lines, line{[]string{
			r.text("database"), r.text("user"), "", "", r.text("pool_mode"),
			fmt.Sprint(r.number("cl_active") + r.number("cl_waiting")), r.text("cl_active"), r.text("cl_waiting"), sym.wait(waited),
			r.text("sv_active"), fmt.Sprint(r.number("sv_idle") + r.number("sv_used")), r.text("sv_login"), "", "", "", "",
		}, style})
	}
	return lines
}

// consoleDatabase is the one that is none.
const consoleDatabase = "pgbouncer"

// groupOf is a row's group, as cluster/0.
func groupOf(r row) string { return r.text("cluster") + "/" + r.text("group") }

func clientRows(s *sample, sym *symbols) (lines []line) {
	for _, r := range s.rows("clients") {
		style := plain
		if r.text("state") == "waiting" {
			style = alarm
		}
		waited := time.Duration(r.number("wait"))*time.Second + time.Duration(r.number("wait_us"))*time.Microsecond
		wait := ""
		if r.text("state") == "waiting" {
			wait = sym.wait(waited)
		}
		lines = append(lines, line{[]string{
			r.text("id"), r.text("user"), r.text("database"), r.text("state"), wait, address(r), r.text("application_name"),
			linked(r), clock(r.text("connect_time")), r.text("tls"),
		}, style})
	}
	return lines
}

func serverRows(s *sample, _ *symbols) (lines []line) {
	for _, r := range s.rows("servers") {
		closing, style := "", plain
		if r.number("close_needed") > 0 {
			closing, style = "yes", warn
		}
		lines = append(lines, line{[]string{
			r.text("id"), r.text("user"), r.text("database"), r.text("state"), address(r), r.text("remote_pid"), linked(r),
			clock(r.text("connect_time")), clock(r.text("request_time")), closing,
		}, style})
	}
	return lines
}

// address is where a socket leads to, or comes from.
func address(r row) string {
	switch host := r.text("addr"); {
	case host == "unix":
		return "unix"
	default:
		return net.JoinHostPort(host, r.text("port"))
	}
}

// linked is the number of the other side, which is the end of what PgBouncer has for a pointer.
func linked(r row) string {
	link := r.text("link")
	if !strings.HasPrefix(link, "0x") || len(link) < 4 {
		return ""
	}
	n := strings.TrimLeft(link[3:], "0")
	if id, err := parseHex(n); err == nil && len(link) == pointerLength {
		return fmt.Sprint(id)
	}
	return link
}

// pointerLength is that of Portero's, which have the number of a client or server in them.
const pointerLength = 14

func parseHex(s string) (n uint64, err error) {
	_, err = fmt.Sscanf(s, "%x", &n)
	return n, err
}

// clock is the time of day of a moment that the console tells.
func clock(moment string) string {
	fields := strings.Fields(moment)
	if len(fields) < 2 {
		return moment
	}
	return fields[1]
}

// groupRows has a row for each member, and one for each group of which no member is known.
func groupRows(s *sample, sym *symbols) (lines []line) {
	members := make(map[string][]row)
	for _, m := range s.rows("members") {
		members[groupOf(m)] = append(members[groupOf(m)], m)
	}
	for _, g := range s.rows("groups") {
		note, style := groupNote(g)
		for _, m := range members[groupOf(g)] {
			lines = append(lines, memberRow(g, m, note, style, sym))
		}
		if len(members[groupOf(g)]) == 0 {
			lines = append(lines, line{[]string{groupOf(g), "", "", "", "", g.text("timeline"), "", g.text("epoch"), "", cmp.Or(note, "no member is known")}, style})
		}
	}
	return lines
}

func memberRow(g, m row, note string, style style, sym *symbols) line {
	leads, lag := "", ""
	if m.text("leader") == "yes" {
		leads = sym.yes
		if style == plain {
			style = good
		}
	} else {
		lag = lagOf(m)
	}
	return line{[]string{groupOf(g), m.text("member"), leads, m.text("role"), m.text("state"), m.text("timeline"), lag, g.text("epoch"), m.text("address"), note}, style}
}

func lagOf(m row) string {
	if ms := m.text("lag_ms"); ms != "" {
		return ms + " ms"
	}
	if bytes := m.text("lag"); bytes != "" {
		return bytes + " B"
	}
	return ""
}

// groupNote is what is out of the ordinary with a group.
func groupNote(g row) (string, style) {
	switch {
	case g.text("held") != "":
		return "held: " + g.text("held"), alarm
	case g.text("switchover") != "":
		return "switchover " + g.text("switchover"), warn
	case g.text("stale") == "yes" || g.text("connected") == "no":
		return "view is stale", warn
	case g.text("paused") == "yes":
		return "paused", warn
	case g.text("standby") == "yes":
		return "standby", warn
	}
	return "", plain
}

// phases are those of a failover, in their order.
var phases = []string{"announced", "held", "lost", "elected", "proved", "released", "called_off"}

func failoverRows(s *sample, sym *symbols) (lines []line) {
	for _, r := range s.rows("failovers") {
		began, ended, last := failoverTimes(r)
		took, style := "", plain
		if r.text("released") == "" && r.text("called_off") == "" {
			style = alarm
		} else if a, b := moment(began), moment(ended); !a.IsZero() && !b.IsZero() {
			took = sym.wait(b.Sub(a))
		}
		lines = append(lines, line{[]string{
			trimZone(began), groupOf(r), r.text("from"), r.text("to"), took, r.text("clients_held"),
			r.text("failed"), r.text("unknown"), r.text("repeated"), r.text("cut"), r.text("epoch"), last,
		}, style})
	}
	return lines
}

// failoverTimes is when a failover began and ended, and the phase that it is in.
func failoverTimes(r row) (began, ended, last string) {
	for _, phase := range phases {
		at := r.text(phase)
		if at == "" {
			continue
		}
		if began == "" || at < began {
			began = at
		}
		if at >= ended {
			ended, last = at, phase
		}
	}
	return began, ended, strings.ReplaceAll(last, "_", " ")
}

func moment(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05.000 MST", text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// trimZone leaves out the zone, and the thousandths.
func trimZone(moment string) string {
	fields := strings.Fields(moment)
	if len(fields) < 2 {
		return moment
	}
	seconds, _, _ := strings.Cut(fields[1], ".")
	return fields[0] + " " + seconds
}

func pinRows(s *sample, _ *symbols) (lines []line) {
	for _, r := range s.rows("pins") {
		style := plain
		if r.number("clients") > 0 {
			style = warn
		}
		lines = append(lines, line{[]string{r.text("reason"), r.text("database"), r.text("user"), groupOf(r), r.text("pool_mode"), r.text("clients"), r.text("times")}, style})
	}
	return lines
}
