package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strconv"
	"strings"
	"testing"

	"portero/wire"
)

// The exchange of RFC 7677, section 3.
const (
	rfcClientNonce = "rOprNGfwEbeRWgbNEkqO"
	rfcServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	rfcClientFirst = "n,,n=user,r=" + rfcClientNonce
	rfcServerFirst = "r=" + rfcClientNonce + rfcServerNonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	rfcClientFinal = "c=biws,r=" + rfcClientNonce + rfcServerNonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	rfcServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

func rfcVerifier(t testing.TB) (verifier, scramKeys) {
	salt, ok := decodeSalt("W22ZaJ0SNY7soEsUEjb6gQ==")
	if !ok {
		t.Fatal("salt")
	}
	k := deriveKeys("pencil", salt, 4096)
	return verifier{salt: salt, iterations: 4096, storedKey: k.stored, serverKey: k.server}, k
}

func TestMacIsThatOfTheLibrary(t *testing.T) {
	for n := range 1000 {
		k := scramKey(sha256.Sum256([]byte{byte(n), byte(n >> 8)}))
		text := strings.Repeat("x", n)
		h := hmac.New(sha256.New, k[:])
		h.Write([]byte(text))
		if got := k.mac(text); !hmac.Equal(got[:], h.Sum(nil)) {
			t.Fatalf("%d bytes: %x", n, got)
		}
	}
}

func TestAVerifierOfOursIsReadBack(t *testing.T) {
	want, _ := rfcVerifier(t)
	if got, err := parseVerifier(Verifier("pencil", want.salt, want.iterations)); err != nil || got != want {
		t.Errorf("%+v, %v; not %+v", got, err, want)
	}
}

func TestServerHalfSpeaksTheExchangeOfRFC7677(t *testing.T) {
	v, keys := rfcVerifier(t)
	x := newSCRAMServer(v, nil)
	x.nonce = rfcServerNonce
	if got, err := x.first(mechanismSCRAM, rfcClientFirst); got != rfcServerFirst || err != nil {
		t.Fatalf("server-first %q, %v", got, err)
	}
	got, key, ok, err := x.final(rfcClientFinal)
	if got != rfcServerFinal || !ok || err != nil {
		t.Fatalf("server-final %q, %v, %v", got, ok, err)
	}
	if key != keys.client {
		t.Error("the captured ClientKey is not the password's")
	}
}

func TestClientHalfSpeaksTheExchangeOfRFC7677(t *testing.T) {
	x, mechanism, err := newSCRAMClient([]string{mechanismSCRAM}, nil)
	if err != nil || mechanism != mechanismSCRAM {
		t.Fatal(mechanism, err)
	}
	x.nonce, x.bare = rfcClientNonce, "n=user,r="+rfcClientNonce
	if got := x.first(); got != rfcClientFirst {
		t.Fatalf("client-first %q", got)
	}
	got, err := x.final(rfcServerFirst, Password("pencil").scram)
	if got != rfcClientFinal || err != nil {
		t.Fatalf("client-final %q, %v", got, err)
	}
	if err := x.verify(rfcServerFinal); err != nil {
		t.Error(err)
	}
	if err := x.verify("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="); !errors.Is(err, ErrServerUnproven) {
		t.Errorf("a wrong server signature: %v", err)
	}
	if err := x.verify("e=other-error"); !errors.Is(err, ErrServerUnproven) {
		t.Errorf("a server error: %v", err)
	}
}

func TestClientFirstMessagesAreRefusedAsPostgreSQLRefusesThem(t *testing.T) {
	binding := []byte("hash of the certificate")
	plus := bindingFlag + ",,n=,r=abc"
	for _, c := range []struct {
		name, mechanism, msg string
		binding              []byte
		code                 string // "": accepted
	}{
		{"no channel binding", mechanismSCRAM, "n,,n=,r=abc", nil, ""},
		{"n while PLUS is offered", mechanismSCRAM, "n,,n=,r=abc", binding, ""},
		{"y without an offer", mechanismSCRAM, "y,,n=,r=abc", nil, ""},
		{"y while PLUS is offered", mechanismSCRAM, "y,,n=,r=abc", binding, wire.InvalidAuthorization},
		{"PLUS", mechanismPlus, plus, binding, ""},
		{"PLUS without an offer", mechanismPlus, plus, nil, wire.ProtocolViolation},
		{"PLUS with n", mechanismPlus, "n,,n=,r=abc", binding, wire.ProtocolViolation},
		{"binding without PLUS", mechanismSCRAM, plus, binding, wire.ProtocolViolation},
		{"another binding", mechanismPlus, "p=tls-unique,,n=,r=abc", binding, wire.ProtocolViolation},
		{"another mechanism", "PLAIN", "n,,n=,r=abc", nil, wire.ProtocolViolation},
		{"extension behind the nonce", mechanismSCRAM, "n,,n=,r=abc,z=1", nil, ""},
		{"authorization identity", mechanismSCRAM, "n,a=me,n=,r=abc", nil, wire.FeatureNotSupported},
		{"mandatory extension", mechanismSCRAM, "n,,m=1,n=,r=abc", nil, wire.FeatureNotSupported},
		{"no nonce", mechanismSCRAM, "n,,n=", nil, wire.ProtocolViolation},
		{"empty nonce", mechanismSCRAM, "n,,n=,r=", nil, wire.ProtocolViolation},
		{"unprintable nonce", mechanismSCRAM, "n,,n=,r=a\x07c", nil, wire.ProtocolViolation},
		{"zero byte", mechanismSCRAM, "n,,n=\x00,r=abc", nil, wire.ProtocolViolation},
		{"unknown flag", mechanismSCRAM, "q,,n=,r=abc", nil, wire.ProtocolViolation},
		{"empty", mechanismSCRAM, "", nil, wire.ProtocolViolation},
	} {
		v, _ := rfcVerifier(t)
		_, err := newSCRAMServer(v, c.binding).first(c.mechanism, c.msg)
		if got := code(err); got != c.code {
			t.Errorf("%s: %q, want %q (%v)", c.name, got, c.code, err)
		}
	}
}

func TestClientFinalMessagesAreChecked(t *testing.T) {
	v, _ := rfcVerifier(t)
	const nonce = rfcClientNonce + rfcServerNonce
	proof := rfcClientFinal[strings.Index(rfcClientFinal, ",p="):]
	for _, c := range []struct {
		name, msg, code string
		ok              bool
	}{
		{"right", rfcClientFinal, "", true},
		{"wrong proof", "c=biws,r=" + nonce + ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "", false},
		{"wrong nonce", "c=biws,r=abc" + proof, wire.ProtocolViolation, false},
		{"wrong flag repeated", "c=eSws,r=" + nonce + proof, wire.ProtocolViolation, false},
		{"short proof", "c=biws,r=" + nonce + ",p=AAAA", wire.ProtocolViolation, false},
		{"long proof", "c=biws,r=" + nonce + proof + "AAAA", wire.ProtocolViolation, false},
		{"no proof", "c=biws,r=" + nonce, wire.ProtocolViolation, false},
		{"no binding", "r=" + nonce + proof, wire.ProtocolViolation, false},
		{"empty", "", wire.ProtocolViolation, false},
	} {
		x := newSCRAMServer(v, nil)
		x.nonce = rfcServerNonce
		if _, err := x.first(mechanismSCRAM, rfcClientFirst); err != nil {
			t.Fatal(err)
		}
		_, key, ok, err := x.final(c.msg)
		if code(err) != c.code || ok != c.ok {
			t.Errorf("%s: %v, %v, want %q, %v", c.name, err, ok, c.code, c.ok)
		}
		if !ok && key != (scramKey{}) {
			t.Errorf("%s: a key is given out", c.name)
		}
	}
}

func TestBothHalvesAgreeOnChannelBinding(t *testing.T) {
	v, _ := rfcVerifier(t)
	for _, c := range []struct {
		name           string
		server, client []byte
		mechanism      string
		code           string
	}{
		{"same certificate", []byte("one"), []byte("one"), mechanismPlus, ""},
		{"another certificate", []byte("one"), []byte("two"), mechanismPlus, wire.InvalidAuthorization},
		{"client without", []byte("one"), nil, mechanismSCRAM, ""},
		{"server without", nil, []byte("one"), mechanismSCRAM, ""},
	} {
		srv := newSCRAMServer(v, c.server)
		cl, mechanism, err := newSCRAMClient(srv.mechanisms(), c.client)
		if err != nil || mechanism != c.mechanism {
			t.Fatalf("%s: %s, %v", c.name, mechanism, err)
		}
		challenge, err := srv.first(mechanism, cl.first())
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		answer, err := cl.final(challenge, Password("pencil").scram)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		_, _, ok, err := srv.final(answer)
		if code(err) != c.code || ok != (c.code == "") {
			t.Errorf("%s: %v, %v", c.name, ok, err)
		}
	}
}

func TestServerFirstMessagesAreBounded(t *testing.T) {
	for name, msg := range map[string]string{
		"iterations in words": "r=NONCEx,s=W22Z,i=many",
		"no iterations":       "r=NONCEx,s=W22Z,i=",
		"no salt":             "r=NONCEx,s=,i=4096",
		"bad salt":            "r=NONCEx,s=?,i=4096",
		"another nonce":       "r=xNONCE,s=W22Z,i=4096",
		"only our nonce":      "r=NONCE,s=W22Z,i=4096",
		"empty":               "",
	} {
		x, _, err := newSCRAMClient([]string{mechanismSCRAM}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = x.final(strings.Replace(msg, "NONCE", x.nonce, 1), Password("pencil").scram)
		if !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIterationCountsOfAServerAreCappedBeforeAnythingIsHashed(t *testing.T) {
	for count, want := range map[string]error{
		"1": nil, "4096": nil, "1000000": nil,
		"1000001": ErrIterations, "2147483648": ErrIterations, "4294967296": ErrIterations, "9223372036854775808": ErrIterations,
		strings.Repeat("9", 5000): ErrIterations, "0": ErrIterations, "-1": ErrIterations, "-9223372036854775809": ErrIterations,
	} {
		x, _, err := newSCRAMClient([]string{mechanismSCRAM}, nil)
		if err != nil {
			t.Fatal(err)
		}
		hashed := -7
		_, err = x.final("r="+x.nonce+"x,s=W22Z,i="+count, func(_ string, iterations int) (scramKeys, error) {
			hashed = iterations
			return scramKeys{}, nil
		})
		if !errors.Is(err, want) || (want == nil) != (strconv.Itoa(hashed) == count) {
			t.Errorf("%.30s: %v, hashed with %d", count, err, hashed)
		}
		if want != nil && (!strings.Contains(err.Error(), "between 1 and 1000000") || len(err.Error()) > 200) {
			t.Errorf("%.30s: the error does not say so: %v", count, err)
		}
	}
}

func TestKeysAreDerivedOncePerInputAndForgottenBeyondTheLimit(t *testing.T) {
	c := keyCache{limit: 2}
	first := c.keys("a", "salt", 2)
	if again := testing.AllocsPerRun(10, func() { c.keys("a", "salt", 2) }); again > 20 {
		t.Errorf("%v allocations: derived again", again)
	}
	if first != deriveKeys("a", "salt", 2) {
		t.Error("not the keys of the input")
	}
	others := []scramKeys{c.keys("b", "salt", 2), c.keys("a", "tlas", 2), c.keys("a", "salt", 3)}
	for _, k := range others {
		if k == first {
			t.Error("two inputs have the same keys")
		}
	}
	if n := len(c.entries); n > 2 {
		t.Errorf("%d entries are kept, limit 2", n)
	}
}

// code is the SQLSTATE of a *wire.Error, "" of none.
func code(err error) string {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e.Code
	}
	return ""
}

func FuzzSASLMessagesNeverPanicNorProve(f *testing.F) {
	for _, s := range []string{rfcClientFirst, rfcClientFinal, rfcServerFirst, rfcServerFinal, "y,,n=,r=a", bindingFlag + ",,n=,r=a", "n,a=b,m=1"} {
		f.Add(mechanismSCRAM, s, s)
		f.Add(mechanismPlus, s, rfcClientFinal)
	}
	v, _ := rfcVerifier(f)
	v.storedKey = scramKey{1} // a proof for it cannot be made
	f.Fuzz(func(t *testing.T, mechanism, first, second string) {
		x := newSCRAMServer(v, []byte("binding"))
		if _, err := x.first(mechanism, first); err == nil {
			if _, key, ok, _ := x.final(second); ok || key != (scramKey{}) {
				t.Error("a proof from nowhere")
			}
		}
		if m, err := parseServerFirst(second); err == nil && (m.iterations < 1 || m.iterations > maxIterations || m.nonce == "" || m.salt == "") {
			t.Errorf("%+v", m)
		}
		if mech, data, err := parseInitialResponse([]byte(first)); err == nil && len(mech)+5+len(data) != len(first) {
			t.Errorf("%q: bytes are lost", first)
		}
		if v, err := parseVerifier(second); err == nil && (v.iterations < 1 || v.salt == "") {
			t.Errorf("%+v", v)
		}
		parseMechanisms([]byte(first))
		saslPrep(second)
	})
}

func BenchmarkDeriveKeysOfPostgreSQLsIterationCount(b *testing.B) {
	for b.Loop() {
		deriveKeys("pencil", "0123456789abcdef", defaultIterations)
	}
}
