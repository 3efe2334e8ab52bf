package auth

import "testing"

func TestSASLprepFollowsRFC4013AndFallsBackToTheRawPassword(t *testing.T) {
	for in, want := range map[string]string{
		"I\u00adX":           "IX", // RFC 4013, section 3, here and below
		"user":               "user",
		"USER":               "USER",
		"\u00aa":             "a",
		"\u2168":             "IX",
		"\u0007":             "\u0007",       // prohibited
		"\u0627\u0031":       "\u0627\u0031", // right-to-left, ends otherwise
		"\u0627\u0031\u0628": "\u0627\u0031\u0628",
		"\u0627a\u0628":      "\u0627a\u0628", // both directions
		"a\u00a0b\u3000c":    "a b c",
		"a\u200bb":           "a b",          // in both tables: space wins
		"caf\u0065\u0301":    "caf\u00e9",    // composed
		"\ufb01n":            "fin",          // compatibility
		"\u00e9\u0221":       "\u00e9\u0221", // unassigned in Unicode 3.2
		"e\u0301\U0001f600":  "e\u0301\U0001f600",
		"e\u0301\u0007":      "e\u0301\u0007",
		"\u00ad":             "\u00ad", // nothing would be left
		"\xff\u00aa":         "\xff\u00aa",
		"":                   "",
	} {
		if got := saslPrep(in); got != want {
			t.Errorf("%+q: %+q, want %+q", in, got, want)
		}
	}
}
