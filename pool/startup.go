package pool

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unique"

	"portero/wire"
)

// Startup is what a client in session mode has given for the start of its
// session: the run-time parameters of its StartupMessage, "options" among them.
// Its server is opened with them, so that they are what RESET goes back to, and
// PostgreSQL itself says what is wrong with them. Equal ones are the same word
// in memory. The zero value has none: that of clients in the other modes, whose
// servers are for all.
type Startup struct {
	h unique.Handle[string]
}

// NewStartup keeps the parameters as the client spells them. Those of one name
// stay in their order, as the later one counts; those of several are sorted, as
// drivers that hold them in a map send them in any.
func NewStartup(list []wire.Parameter) Startup {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b wire.Parameter) int {
		return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	var b strings.Builder
	for _, p := range list {
		b.WriteString(p.Name + "\x00" + p.Value + "\x00")
	}
	if b.Len() == 0 {
		return Startup{}
	}
	return Startup{unique.Make(b.String())}
}

func (st Startup) text() string {
	if st == (Startup{}) {
		return ""
	}
	return st.h.Value()
}

func (st Startup) parameters() (list []wire.Parameter) {
	for text := st.text(); text != ""; {
		var p wire.Parameter
		p.Name, text, _ = strings.Cut(text, "\x00")
		p.Value, text, _ = strings.Cut(text, "\x00")
		list = append(list, p)
	}
	return list
}

// replicates reports whether it asks for a walsender.
func (st Startup) replicates() bool {
	return slices.ContainsFunc(st.parameters(), func(p wire.Parameter) bool { return p.Name == "replication" })
}

// FitsPacket reports whether a server of the database and user can be asked for
// it: PostgreSQL hangs up on a longer packet, without a word. The client's own
// may have been a little shorter, if it left out the database.
func (st Startup) FitsPacket(k Key) bool {
	head := wire.Append(nil, &wire.StartupMessage{Parameters: []wire.Parameter{{Name: "user", Value: k.User}, {Name: "database", Value: k.Database}}})
	return len(head)+len(st.text()) <= wire.MaxStartup
}

// An opener opens a server for one Startup, which puddle hands on in its context.

type startupKey struct{}

func withStartup(ctx context.Context, st Startup) context.Context {
	return context.WithValue(ctx, startupKey{}, st)
}

func startupOf(ctx context.Context) Startup {
	st, _ := ctx.Value(startupKey{}).(Startup)
	return st
}
