package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"portero/auth"
	"portero/pool"
	"portero/proxy"
)

const (
	explainWidth  = 80 // columns
	explainIndent = 14 // of what stands behind the name of a section
)

// writeExplanation writes it for a person.
func writeExplanation(w io.Writer, e proxy.Explanation, notice string) error {
	t := &explainText{}
	from := cmp.Or(e.From, "this host")
	if from == proxy.FromLocal {
		from = "a Unix socket"
	}
	t.line(0, "", fmt.Sprintf("user \"%s\" to database \"%s\", from %s", e.User, e.Database, from))
	t.line(0, "", source(e))
	if notice != "" {
		t.line(0, "", notice)
	}
	for i := range e.Answers {
		t.out.WriteByte('\n')
		t.answer(&e.Answers[i])
	}
	_, err := t.out.WriteTo(w)
	return err
}

func source(e proxy.Explanation) string {
	config := cmp.Or(e.Config, "the environment")
	if e.Running == nil {
		return "by " + config
	}
	return fmt.Sprintf("by the Portero that runs (%s), which has read %s at %s", e.Running.Version, config, e.Running.Loaded)
}

// explainText is the text in the making.
type explainText struct{ out bytes.Buffer }

// visible has no control characters, which a terminal would obey: names and values are anybody's
// to make up.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}

// section writes a text behind the name of a section.
func (t *explainText) section(name, text string) { t.line(explainIndent, name, text) }

// line writes a text behind a name, over several lines where it is too long.
func (t *explainText) line(indent int, name, text string) {
	fmt.Fprintf(&t.out, "%-*s", indent, name)
	column := indent
	for i, word := range strings.Fields(visible(text)) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > explainWidth:
			fmt.Fprintf(&t.out, "\n%*s", indent+2, "")
			column = indent + 2
		default:
			t.out.WriteByte(' ')
			column++
		}
		t.out.WriteString(word)
		column += n
	}
	t.out.WriteByte('\n')
}

func (t *explainText) answer(a *proxy.Answer) {
	name := "listener"
	for _, l := range a.Listeners {
		t.section(name, entranceInWords(l))
		name = ""
	}
	if a.Rule != nil {
		t.rule(a.Rule)
	}
	switch {
	case a.Console == "admin":
		t.section("console", "it may give every command")
	case a.Console != "":
		t.section("console", "it may look, and change nothing")
	}
	t.route(a)
	if a.Pool != nil {
		t.pool(a)
	}
	t.verdict(a)
}

func entranceInWords(l proxy.Entrance) string {
	how := "without"
	switch {
	case l.From == proxy.FromLocal:
		return l.Address + inBrackets(l.Place) + ": by Unix socket"
	case l.TLS:
		how = "with"
	}
	return fmt.Sprintf("%s%s: from %s %s TLS (%s)", l.Address, inBrackets(l.Place), l.From, how, l.Demands)
}

func inBrackets(place string) string {
	if place == "" {
		return ""
	}
	return " (" + place + ")"
}

func (t *explainText) rule(d *auth.Ruling) {
	name := "rule"
	if d.Rule != "" || d.Method != "" {
		t.section(name, cmp.Or(d.Place, "auth.method, by default")+": "+cmp.Or(d.Rule, d.Method))
		name = ""
	}
	t.skipped(name, d.Skipped)
	for _, need := range d.Needs {
		t.section("", "the client needs "+need)
	}
	if d.UserMap != "" {
		t.section("", "names go by map "+d.UserMap)
	}
	if d.Secret != "" {
		t.section("", "secret: "+d.Secret)
	}
}

func (t *explainText) route(a *proxy.Answer) {
	name := "route"
	if r := a.Route; r != nil {
		t.section(name, fmt.Sprintf("%d \"%s\"%s: %s", r.Number, r.Name, inBrackets(r.Place), r.Words))
		name = ""
	}
	t.skipped(name, a.Skipped)
}

// mostSkipped is how many rules are shown that are for others: the last ones.
const mostSkipped = 8

func (t *explainText) skipped(name string, all []auth.Skipped) {
	if more := len(all) - mostSkipped; more > 0 {
		t.section(name, fmt.Sprintf("not %d before these (--json has them)", more))
		all, name = all[more:], ""
	}
	for _, s := range all {
		t.section(name, "not "+cmp.Or(s.Place, "that of the default")+": "+s.Why)
		name = ""
	}
}

func (t *explainText) pool(a *proxy.Answer) {
	k := a.Pool
	group := fmt.Sprintf("group %d", k.Group)
	if k.Spread != "" {
		group = fmt.Sprintf("group any (%s), coordinator %d", k.Spread, k.Group)
	}
	words := fmt.Sprintf("%s mode, cluster %s, %s, role %s", k.Mode, k.Cluster, group, k.Role)
	if k.MaxLag != "" {
		words += ", max_lag " + k.MaxLag
	}
	if k.Citus != "" {
		words += ", " + k.Citus
	}
	t.section("pool", words)
	database := "database \"" + k.Database + "\""
	if k.Mode == pool.PhysicalReplication {
		database = "no database,"
	}
	t.section("", fmt.Sprintf("%s as user \"%s\"", database, k.User))
	t.settings(a.Settings)
	t.section("server login", a.ServerLogin)
	if a.Now != nil {
		t.now(a)
	} else {
		t.section("member", "only a Portero that runs knows it")
	}
}

// longestValue is how much of a value is shown; --json has all.
const longestValue = 24

// settings are shown one by one if they are given, else behind each other.
func (t *explainText) settings(all []proxy.Setting) {
	name := "settings"
	var others []string
	off := map[string][]string{} // settings by a value that says that there is nothing
	for _, s := range all {
		switch {
		case s.Place != "":
		case s.Note != "":
			t.section(name, s.Name+" "+s.Value+", "+s.Note)
			name = ""
			continue
		case s.Value == "no limit", s.Value == "never":
			off[s.Value] = append(off[s.Value], s.Name)
			continue
		default:
			others = append(others, s.Name+" "+s.Value)
			continue
		}
		if s.Note != "" {
			s.Place += ", " + s.Note
		}
		if runes := []rune(s.Value); len(runes) > longestValue {
			s.Value = string(runes[:longestValue-3]) + "..."
		}
		fmt.Fprintf(&t.out, "%-*s%-26s %-12s %s\n", explainIndent, name, s.Name, visible(s.Value), visible(s.Place))
		name = ""
	}
	if len(others) > 0 {
		t.section(name, "default: "+strings.Join(others, ", "))
	}
	for _, value := range []string{"no limit", "never"} {
		if names := off[value]; len(names) > 0 {
			t.section("", "default, "+value+": "+strings.Join(names, ", "))
		}
	}
}

func (t *explainText) now(a *proxy.Answer) {
	n := a.Now
	t.groups(n.Groups)
	name := "member"
	if len(n.Groups) > 0 {
		name = "coordinator"
	}
	for _, m := range n.Members {
		t.section(name, memberInWords(m))
		name = ""
	}
	if len(n.Members) == 0 {
		t.section(name, "none is known")
	}
	none := noneFits(n.Members)
	if len(n.Groups) > 0 {
		none = ""
	}
	if held := cmp.Or(n.Held, none); held != "" {
		t.section("held", "clients wait: "+held)
	}
	if n.Pool == nil {
		t.section("now", "there is no such pool yet: its first client makes it")
		return
	}
	p := n.Pool
	words := fmt.Sprintf("%d clients, %d waiting; servers: %d active, %d idle, %d opening, of %d", p.Clients, p.Waiting, p.ServersActive, p.ServersIdle, p.ServersOpen, p.Size)
	if p.Pins > 0 {
		words += fmt.Sprintf("; %d pinned", p.Pins)
	}
	if p.Waiting > 0 {
		words += fmt.Sprintf("; the first has waited %d ms", p.MaxWaitMS)
	}
	if p.Candidate {
		words += "; no server has let it in yet"
	}
	if p.Order != "" {
		words += "; " + p.Order
	}
	t.section("now", words)
}

// groups are those of which each transaction gets one.
func (t *explainText) groups(all []proxy.GroupNow) {
	name := "groups"
	for _, g := range all {
		words := fmt.Sprintf("%d", g.Group)
		if g.Leader != "" {
			words += ": " + g.Leader + " leads"
		}
		words += fmt.Sprintf(", weight %d, %d servers active, %d waiting", g.Weight, g.Active, g.Waiting)
		switch {
		case g.LeftOut != "":
			words = fmt.Sprintf("not %d: left out, as %s", g.Group, g.LeftOut)
		case g.Held != "":
			words = "not " + words + ": " + g.Held
		}
		t.section(name, words)
		name = ""
	}
}

// noneFits is why clients wait who are not held: nobody can serve them.
func noneFits(members []proxy.MemberNow) string {
	if len(members) == 0 || slices.ContainsFunc(members, func(m proxy.MemberNow) bool { return m.Fits }) {
		return ""
	}
	return "no member fits"
}

func memberInWords(m proxy.MemberNow) string {
	words := m.Name
	if m.Name != m.Address {
		words += " " + m.Address
	}
	for _, more := range []string{m.Role, m.State} {
		if more != "" {
			words += ", " + more
		}
	}
	if m.Leads {
		words += ", leads"
	}
	if m.LagMS != nil {
		words += fmt.Sprintf(", %d ms behind", *m.LagMS)
	}
	switch {
	case !m.Fits:
		return "not " + words + ": " + m.Why
	case m.Why != "":
		return words + ": " + m.Why
	}
	return words
}

func (t *explainText) verdict(a *proxy.Answer) {
	refused := a.Refused
	if refused == nil && a.Now != nil {
		refused = a.Now.Refused
	}
	if refused == nil {
		t.section("result", "the client gets in, if it has what is asked for")
		return
	}
	words := "refused by the " + refused.By + ": " + refused.Message
	if refused.Code != "" {
		words += " (SQLSTATE " + refused.Code + ")"
	}
	t.section("result", words)
	if refused.Why != "" {
		t.section("", refused.Why)
	}
	if refused.Hint != "" {
		t.section("", refused.Hint)
	}
}
