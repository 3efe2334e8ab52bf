package session

import (
	"reflect"
	"testing"
)

// What a client has is the same in another process: there each Statement is another word
// in memory, but means the same.
func TestWhatAClientCarriesSurvivesThePassage(t *testing.T) {
	set := Settings{}.With("TimeZone", "Mars").With("app.tenant", "\xff\xfe")
	from, to := &Texts{}, &Texts{}
	parse := func(sql string) Statement { return from.statement([]byte(sql+"\x00\x00\x00"), decisiveOf(set)) }
	r := Rest{Settings: set, Base: Settings{}.With("work_mem", "5MB"), names: &names{texts: from}}
	r.names.set("plain", parse("select 1"))
	r.names.set("set", parse("set work_mem = '1MB'"))
	r.names.set("seen", parse("select * from t").shaped(4711))
	r.names.set("own", parse("select 'x'").own())
	r.names.set("speaks", parse("execute plain").referring(executes, "plain"))
	r.names.set("by\xffsql", from.bySQL([]byte(" as select 2"), Settings{}))
	r.unnamed = parse("select 3")
	carried, ok := r.Carry()
	if !ok {
		t.Fatal("it is not carried")
	}
	got := to.TakeIn(carried)
	if got.Settings != r.Settings || got.Base != r.Base || got.names.len() != r.names.len() || got.names.size != r.names.size {
		t.Errorf("got %+v, want %+v", got, r)
	}
	alike := func(name string, a, b Statement) {
		p, q := a.h.Value(), b.h.Value()
		if (p.owner == nil) != (q.owner == nil) {
			t.Errorf("%q: of whom it is", name)
		}
		p.owner, q.owner = nil, nil
		if !reflect.DeepEqual(p, q) {
			t.Errorf("%q: got %+v, want %+v", name, p, q)
		}
	}
	for name, st := range r.names.all() {
		same, _ := got.names.get([]byte(name))
		alike(name, same, st)
	}
	alike("", got.unnamed, r.unnamed)
	plain, _ := got.names.get([]byte("plain"))
	if n := to.held[plain]; n != 1 {
		t.Errorf("a text is held %d times", n)
	}
}

func TestWhatIsOnOneServerAloneIsNotCarried(t *testing.T) {
	r := Rest{names: &names{texts: &Texts{}}}
	r.names.set("long", onlyHere(7, kindOther))
	if _, ok := r.Carry(); ok {
		t.Error("it is")
	}
	if c, ok := (Rest{}).Carry(); !ok || !reflect.DeepEqual(c, Carried{}) {
		t.Errorf("of nothing: %+v, %v", c, ok)
	}
	if got := (&Texts{}).TakeIn(Carried{}); got.names != nil || got.unnamed != (Statement{}) {
		t.Errorf("nothing becomes %+v", got)
	}
}

// A client's texts count where it is, and for all loops together.
func TestTheTextsOfAClientGoWithItToAnotherLoop(t *testing.T) {
	sum := 0
	add := func(by int) int { sum += by; return sum }
	from, to := &Texts{}, &Texts{}
	from.CountTogether(add)
	to.CountTogether(add)
	client := func(of *Texts) Rest {
		r := Rest{names: &names{of: make(map[string]Statement), texts: of}}
		r.names.set("one", of.statement([]byte("select 1\x00\x00\x00"), Settings{}))
		r.names.set("two", of.statement([]byte("select 22\x00\x00\x00"), Settings{}))
		return r
	}
	stays, goes, other := client(from), client(from), client(to)
	both := from.heldBytes
	goes.Leave()
	goes.Join(to)
	if from.heldBytes != both || to.heldBytes != both || sum != 2*both || to.bytes() != 2*both {
		t.Errorf("%d and %d bytes, %d together, want %d each", from.heldBytes, to.heldBytes, sum, both)
	}
	stays.End()
	if from.heldBytes != 0 || len(from.held) != 0 {
		t.Errorf("%d bytes are counted where nobody is left", from.heldBytes)
	}
	goes.names.remove("one")
	other.End()
	goes.End()
	if to.heldBytes != 0 || len(to.held) != 0 || sum != 0 {
		t.Errorf("%d bytes are left, %d together", to.heldBytes, sum)
	}
	Rest{}.Leave()
	Rest{}.Join(to)
}
