package lab

import (
	"maps"
	"testing"
)

func TestErrorsAreCountedByWhereTheyMetTheClient(t *testing.T) {
	inBlock, outside := make(map[string]int), make(map[string]int)
	account := Account{Troubles: []Trouble{
		{What: "08006", InBlock: true},
		{What: "08007", InBlock: true, Ended: true},
		{What: "08007"},
		{What: Cut, Ended: true},
		{What: Cut}, // nobody answered the dial
		{What: ""},
		{What: RolledBack, InBlock: true},
	}}
	cut := account.Count(inBlock, outside)
	if want := map[string]int{"08006": 1, "08007": 1, RolledBack: 1}; !maps.Equal(inBlock, want) {
		t.Errorf("in a transaction: %v", inBlock)
	}
	if want := map[string]int{"08007": 1, Cut: 1, NoConnection: 1}; !maps.Equal(outside, want) {
		t.Errorf("outside: %v", outside)
	}
	if cut != 2 {
		t.Errorf("%d connections cut", cut)
	}
}
