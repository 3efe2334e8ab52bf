package session

import "unique"

// Carried is what a client carries, in a form that another process can be given. Names,
// values and texts are bytes of whatever encoding.
type Carried struct {
	Settings string
	Base     string
	Named    []CarriedStatement
	Unnamed  *CarriedStatement // nil: none
}

// CarriedStatement is a prepared statement of a client.
type CarriedStatement struct {
	Name  string
	Text  string // the body of its Parse behind the name; with SQL, what stands behind the name in its PREPARE
	Means string // the settings that decide what that means
	SQL   bool
	Own   bool // no other client means the same by the text
	Shape uint64

	Verb   uint8 // how it speaks of another one
	Refers string
}

// Carry tells what the client carries; false: some of it is on one server alone.
func (r Rest) Carry() (c Carried, ok bool) {
	if r.names.stuck() || r.unnamed.isOnly() {
		return c, false
	}
	c = Carried{Settings: r.Settings.text(), Base: r.Base.text()}
	for name, st := range r.names.all() {
		one := st.carry()
		one.Name = name
		c.Named = append(c.Named, one)
	}
	if r.unnamed != (Statement{}) && r.unnamed != nobodys {
		one := r.unnamed.carry()
		c.Unnamed = &one
	}
	return c, true
}

func (st Statement) carry() CarriedStatement {
	p := st.h.Value()
	return CarriedStatement{
		Text: p.text, Means: p.means.text(), SQL: p.sql, Own: p.owner != nil, Shape: p.shape,
		Verb: uint8(p.verb), Refers: p.refers,
	}
}

// SettingsOf are what a client has set that another process has had.
func SettingsOf(c Carried) Settings { return readSettings(c.Settings) }

// TakeIn is what a client carries that another process has had. On the loop of t.
func (t *Texts) TakeIn(c Carried) Rest {
	r := Rest{Settings: readSettings(c.Settings), Base: readSettings(c.Base)}
	for _, one := range c.Named {
		if r.names == nil {
			r.names = &names{texts: t}
		}
		r.names.set(one.Name, t.takeIn(one))
	}
	if c.Unnamed != nil {
		r.unnamed = t.takeIn(*c.Unnamed)
	}
	return r
}

func (t *Texts) takeIn(c CarriedStatement) Statement {
	var st Statement
	if means := readSettings(c.Means); c.SQL {
		st = t.bySQL([]byte(c.Text), means)
	} else {
		st = t.statement([]byte(c.Text), means)
	}
	switch {
	case c.Refers != "":
		st = st.referring(verb(c.Verb), c.Refers)
	case c.Own:
		st = st.own()
	}
	return st.shaped(c.Shape)
}

// readSettings reads what text has given.
func readSettings(text string) (s Settings) {
	if text == "" {
		return s
	}
	return Settings{unique.Make(text)}
}
