package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const someVerifier = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

func readUsers(_ testing.TB, text string) (*Users, error) {
	var faults []error
	u := parseUsers(text, func(line int, err error) { faults = append(faults, fmt.Errorf("userlist.txt:%d: %w", line, err)) })
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return u, nil
}

func TestUserFileIsReadAsPgBouncerReadsIt(t *testing.T) {
	u, err := readUsers(t, `
; a comment
# another
"alice" "plain text"
  "bob"	"md50123456789abcdef0123456789abcdef" "the rest" is ignored
"ca""rol" "a ""quoted"" word"`+"\r"+`
"dave""" """"
"erin" ""
"frank" "md5 is how it begins"
"grace" "`+someVerifier+`"
`)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := rfcVerifier(t)
	for name, want := range map[string]Credentials{
		"alice":  Password("plain text"),
		"bob":    {kind: secretMD5, secret: "md50123456789abcdef0123456789abcdef"},
		`ca"rol`: Password(`a "quoted" word`),
		`dave"`:  Password(`"`),
		"erin":   {},
		"frank":  Password("md5 is how it begins"),
		"grace":  {kind: secretVerifier, verifier: v},
	} {
		if got, found := u.Lookup(name); !found || got != want {
			t.Errorf("%s: %v, %v, want %v", name, got, found, want)
		}
	}
	if n := u.Len(); n != 7 {
		t.Errorf("%d users", n)
	}
	if _, found := u.Lookup("nobody"); found {
		t.Error("a user that is not in the file is found")
	}
}

func TestAllFaultsOfAUserFileAreReportedWithTheirLinesAndWithoutSecrets(t *testing.T) {
	_, err := readUsers(t, strings.Join([]string{
		`"good" "s3cret"`,
		`alice "s3cret"`,
		`"bob"`,
		`"carol" "s3cret`,
		`"good" "s3cret"`,
		`"" "s3cret"`,
		`"dave" "SCRAM-SHA-256$s3cret"`,
		`"erin" s3cret`,
	}, "\n"))
	if err == nil {
		t.Fatal("no fault was found")
	}
	got := strings.Split(err.Error(), "\n")
	want := []string{
		":2: user name: not in double quotes",
		`:3: secret of user "bob": not in double quotes`,
		`:4: secret of user "carol": no closing double quote`,
		`:5: user "good" is already on line 1`,
		":6: user name is empty",
		":7: " + errVerifier.Error(),
		`:8: secret of user "erin": not in double quotes`,
	}
	if len(got) != len(want) {
		t.Fatalf("%d faults, want %d:\n%v", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasSuffix(got[i], "userlist.txt"+want[i]) {
			t.Errorf("%s, want %s", got[i], want[i])
		}
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Error("a secret is in the message")
	}
}

func TestVerifierOfAPlainPasswordIsTheSameBeforeAndAfterDerive(t *testing.T) {
	u, err := readUsers(t, `"alice" "secret"`)
	if err != nil {
		t.Fatal(err)
	}
	e := u.find("alice")
	first, usable := e.scramVerifier()
	if k := deriveKeys("secret", first.salt, first.iterations); !usable || first.storedKey != k.stored || first.serverKey != k.server {
		t.Error("not the verifier of the password")
	}
	u.deriveAll(t.Context())
	if v, _ := e.scramVerifier(); v != first {
		t.Error("another verifier after all have been derived")
	}
	if n := testing.AllocsPerRun(10, func() { e.scramVerifier() }); n != 0 {
		t.Errorf("%v allocations: derived again", n)
	}
}

func TestUnknownUsersSeemToHaveTheKindOfSecretThatMostHave(t *testing.T) {
	verifier, md5ed := `"`+someVerifier+`"`, `"md50123456789abcdef0123456789abcdef"`
	for text, want := range map[string]secretKind{
		"":             secretPlain,
		`"a" "x"`:      secretPlain,
		`"a" ` + md5ed: secretMD5,
		`"a" ` + verifier + "\n" + `"b" ` + verifier + "\n" + `"c" "x"`: secretVerifier,
	} {
		u, err := readUsers(t, text)
		if err != nil {
			t.Fatal(err)
		}
		e := u.find("nobody")
		if e.creds.kind != want || !e.mock {
			t.Errorf("%q: %v, mock %v", text, e.creds, e.mock)
		}
		if again := u.find("nobody"); again.creds != e.creds || again.verifier() != e.verifier() {
			t.Errorf("%q: the mock is not stable", text)
		}
		if u.find("other").verifier().salt == e.verifier().salt {
			t.Errorf("%q: two mocks share a salt", text)
		}
	}
}

func TestCredentialsNeverPrintTheirSecret(t *testing.T) {
	v, k := rfcVerifier(t)
	for _, c := range []Credentials{
		Password("s3cret"),
		{kind: secretMD5, secret: "s3cret"},
		{kind: secretVerifier, verifier: v},
		{kind: secretKeys, verifier: v, clientKey: k.client},
		{},
	} {
		text := fmt.Sprintf("%v %+v %#v %s %q %x %d", c, c, c, c, c, c, c) + fmt.Sprint(&c, []Credentials{c}, LoginParams{Credentials: c})
		encoded, err := json.Marshal(struct{ C any }{c})
		if err != nil || string(encoded) != `{"C":{}}` {
			t.Errorf("JSON: %s, %v", encoded, err)
		}
		if strings.Contains(text, "s3cret") || strings.Contains(text, "733363726574") || strings.Contains(text, fmt.Sprint(k.client[:3])[1:]) {
			t.Errorf("printed: %s", text)
		}
	}
}

func FuzzUserFileNeverPanics(f *testing.F) {
	f.Add(`"alice" "secret"` + "\n" + `"bob" "` + someVerifier + `"`)
	f.Add(`"a""b" "c""d" e` + "\n;x\n#y\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := readUsers(t, text)
		if (u == nil) != (err != nil) {
			t.Fatal(u, err)
		}
		if err != nil {
			return
		}
		if _, found := u.Lookup(""); found || u.Len() > strings.Count(text, "\n")+1 {
			t.Errorf("%d users", u.Len())
		}
	})
}
