package auth

import (
	"fmt"
	"strings"
	"testing"
)

func TestCredentialsArePassedWhole(t *testing.T) {
	v := verifier{salt: "\xffsalt", iterations: 4711, storedKey: scramKey{1}, serverKey: scramKey{2}}
	for _, c := range []Credentials{
		{}, Password("hush"), {kind: secretMD5, secret: "md5hush"}, {kind: secretVerifier, verifier: v}, {kind: secretKeys, verifier: v, clientKey: scramKey{3}},
	} {
		if got := c.Pass().Credentials(); got != c {
			t.Errorf("%s becomes %s", c, got)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(verb, c.Pass()); strings.Contains(text, "hush") {
				t.Errorf("%s shows the secret: %s", verb, text)
			}
		}
	}
}
