package auth

import "testing"

// each is Credentials of every kind.
func each(t *testing.T) map[string]Credentials {
	v, k := rfcVerifier(t)
	return map[string]Credentials{
		"nothing":       {},
		"password":      Password("secret"),
		"other":         Password("secret2"),
		"md5":           {kind: secretMD5, secret: md5Secret("u", "secret")},
		"verifier":      {kind: secretVerifier, verifier: v},
		"keys":          {kind: secretKeys, verifier: v, clientKey: k.client},
		"hash as typed": Password(md5Secret("u", "secret")),
	}
}

func TestBetterCredentialsAnswerMore(t *testing.T) {
	all := each(t)
	for _, c := range []struct {
		better, worse string
	}{
		{"password", "keys"}, {"password", "md5"}, {"password", "verifier"}, {"password", "nothing"},
		{"keys", "verifier"}, {"keys", "nothing"}, {"md5", "verifier"}, {"md5", "nothing"},
	} {
		if b, w := all[c.better], all[c.worse]; !b.Better(w) || w.Better(b) {
			t.Errorf("%s is not better than %s", c.better, c.worse)
		}
	}
	for _, c := range [][2]string{{"password", "other"}, {"keys", "md5"}, {"verifier", "nothing"}} {
		if a, b := all[c[0]], all[c[1]]; a.Better(b) || b.Better(a) {
			t.Errorf("%s and %s are not equal", c[0], c[1])
		}
	}
}

func TestFingerprintsTellCredentialsApart(t *testing.T) {
	seen := make(map[[32]byte]string)
	for name, c := range each(t) {
		print := c.Fingerprint()
		if other, ok := seen[print]; ok {
			t.Errorf("%s and %s are one", name, other)
		}
		if print != c.Fingerprint() {
			t.Errorf("%s has two", name)
		}
		seen[print] = name
	}
}
