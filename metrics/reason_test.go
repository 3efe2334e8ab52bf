package metrics

import "testing"

func TestReasonsHaveDistinctWords(t *testing.T) {
	seen := make(map[string]Reason)
	for r := range NumReasons {
		words := r.String()
		if words == "" {
			t.Errorf("reason %d has no words", r)
		}
		if other, ok := seen[words]; ok {
			t.Errorf("reasons %d and %d are both %q", other, r, words)
		}
		for _, c := range words {
			if c != ' ' && (c < 'a' || c > 'z') {
				t.Errorf("reason %d: %q has %q in it", r, words, c)
			}
		}
		seen[words] = r
	}
}

func TestReasonOutsideTheEnumPrintsItsNumber(t *testing.T) {
	if got := Reason(200).String(); got != "reason 200" {
		t.Errorf("got %q", got)
	}
}

func TestReasonOutsideTheEnumIsCountedAsInternal(t *testing.T) {
	var p Process
	p.End(NumReasons)
	p.End(255)
	if got := p.Ended()[Internal]; got != 2 {
		t.Errorf("internal = %d, want 2", got)
	}
}

func TestProcessCountsByReason(t *testing.T) {
	var p Process
	p.End(ClientClosed)
	p.End(ClientClosed)
	p.Refuse(NoRoute)
	if ended, refused := p.Ended(), p.Refused(); ended != (ReasonCounts{ClientClosed: 2}) || refused != (ReasonCounts{NoRoute: 1}) {
		t.Errorf("ended %v, refused %v", ended, refused)
	}
}
