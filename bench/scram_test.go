package main

import (
	"encoding/base64"
	"testing"
)

// The exchange of section 3 of RFC 7677.
func TestProofIsThatOfTheRFC(t *testing.T) {
	theirSalt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	k := deriveKeys("pencil", theirSalt, 4096)
	const nonce = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	got := string(k.prove("n=user,r=rOprNGfwEbeRWgbNEkqO", nonce+",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "c=biws,"+nonce))
	if want := "c=biws," + nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestClientRefusesAServerThatDoesNotKnowItsSalt(t *testing.T) {
	var s scramLogin
	s.first()
	for _, first := range []string{"", "r=another,s=,i=1", s.bare[len("n=,"):] + "more,s=AAAA,i=4096"} {
		if got, err := s.final(first); err == nil {
			t.Errorf("%q: answered by %q", first, got)
		}
	}
}
