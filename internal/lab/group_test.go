package lab

import "testing"

func TestAMemberIsHealthyOnceItsKeySaysSo(t *testing.T) {
	for _, c := range []struct {
		key         string
		leads, well bool
	}{
		{`{"state":"running","role":"master","xlog_location":67108864}`, true, true},
		{`{"state":"running","role":"primary"}`, true, true},
		{`{"state":"running","role":"replica"}`, false, true},
		{`{"state":"starting","role":"replica"}`, false, false},
		{`{"state":"running","role":"replica"}`, true, false},  // not promoted yet
		{`{"state":"running","role":"primary"}`, false, false}, // not demoted yet
		{`running`, false, false},
		{``, false, false},
	} {
		if err := announced(c.key, c.leads); (err == nil) != c.well {
			t.Errorf("%s, leads %v: %v", c.key, c.leads, err)
		}
	}
}
