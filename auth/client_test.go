package auth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// users of all kinds; the password of each is "pencil".
func pencilUsers() string {
	return fmt.Sprintf(`"plain" "pencil"
"hashed" "%s"
"scram" "%s"
"empty" ""
`, md5Secret("hashed", "pencil"), someVerifier)
}

func TestEachMethodLetsInWhoeverHasTheRightPasswordAndNobodyElse(t *testing.T) {
	v, k := rfcVerifier(t)
	pencil := Password("pencil")
	md5ed := Credentials{kind: secretMD5, secret: md5Secret("hashed", "pencil")}
	keys := Credentials{kind: secretKeys, verifier: v, clientKey: k.client}
	for _, c := range []struct {
		method, user string
		want         Credentials // zero: nobody gets in
	}{
		{"password", "plain", pencil},
		{"password", "hashed", pencil},
		{"password", "scram", pencil},
		{"password", "empty", Credentials{}},
		{"password", "unknown", Credentials{}},
		{"md5", "plain", pencil},
		{"md5", "hashed", md5ed},
		{"md5", "scram", keys},
		{"md5", "empty", Credentials{}},
		{"md5", "unknown", Credentials{}},
		{"scram-sha-256", "plain", pencil},
		{"scram-sha-256", "hashed", Credentials{}},
		{"scram-sha-256", "scram", keys},
		{"scram-sha-256", "empty", Credentials{}},
		{"scram-sha-256", "unknown", Credentials{}},
	} {
		t.Run(c.method+"/"+c.user, func(t *testing.T) {
			d := newDoor(t, c.method, pencilUsers())
			got, doorErr, clientErr := let(t, d, loginAs(c.user, pencil))
			if c.want == (Credentials{}) {
				mustBeRefused(t, c.user, got, doorErr, clientErr)
			} else if got != c.want || doorErr != nil || clientErr != nil {
				t.Errorf("%v, want %v; %v; %v", got, c.want, doorErr, clientErr)
			}
			got, doorErr, clientErr = let(t, d, loginAs(c.user, Password("Pencil")))
			mustBeRefused(t, c.user, got, doorErr, clientErr)
		})
	}
}

func mustBeRefused(t *testing.T, user string, got Credentials, doorErr, clientErr error) {
	t.Helper()
	want := wire.Error{Severity: "FATAL", Code: "28P01", Message: `password authentication failed for user "` + user + `"`}
	for _, err := range []error{doorErr, clientErr} {
		if e, ok := errors.AsType[*wire.Error](err); !ok || *e != want {
			t.Errorf("refused with %v, want %v", err, &want)
		}
	}
	if got != (Credentials{}) {
		t.Errorf("a refused client leaves %v", got)
	}
}

func TestTrustLetsAllInAndTakesSecretsFromTheFile(t *testing.T) {
	d := newDoor(t, "trust", pencilUsers())
	v, _ := rfcVerifier(t)
	for user, want := range map[string]Credentials{
		"plain": Password("pencil"), "unknown": {}, "empty": {}, "scram": {kind: secretVerifier, verifier: v},
	} {
		if got, doorErr, clientErr := let(t, d, loginAs(user, Credentials{})); got != want || doorErr != nil || clientErr != nil {
			t.Errorf("%s: %v, want %v; %v; %v", user, got, want, doorErr, clientErr)
		}
	}
	if got, doorErr, clientErr := let(t, door{auth: oneMethod(t, "trust", nil)}, loginAs("x", Credentials{})); got != (Credentials{}) || doorErr != nil || clientErr != nil {
		t.Errorf("without a user file: %v; %v; %v", got, doorErr, clientErr)
	}
}

// TestUnknownUsersSeeTheExchangeOfKnownOnes compares type and length of all
// that a client is sent, for names of one length and a wrong password.
func TestUnknownUsersSeeTheExchangeOfKnownOnes(t *testing.T) {
	files := map[string]string{
		"plain":  `"alice" "pencil"`,
		"md5":    `"alice" "` + md5Secret("alice", "pencil") + `"`,
		"scram":  `"alice" "` + someVerifier + `"`,
		"absent": "",
		"empty":  `"alice" ""`,
	}
	for _, method := range []string{"password", "md5", "scram-sha-256"} {
		for kind, file := range files {
			d := newDoor(t, method, file)
			known, unknown := transcript(t, d, "alice"), transcript(t, d, "nobdy")
			if !slices.Equal(known, unknown) || len(known) < 2 {
				t.Errorf("%s, %s:\nknown   %v\nunknown %v", method, kind, known, unknown)
			}
			first, second := saltSeen(t, d, "nobdy"), saltSeen(t, d, "nobdy")
			if first != second {
				t.Errorf("%s, %s: the salt of an unknown user changes", method, kind)
			}
		}
	}
}

// transcript lists the messages to a client with a wrong password.
func transcript(t *testing.T, d door, user string) (out []string) {
	let(t, d, func(conn net.Conn) error {
		tap := &tap{ReadWriter: conn}
		_, err := Login(wire.NewStream(tap), LoginParams{User: user, Credentials: Password("wrong")})
		for buf := tap.in; len(buf) > 0; {
			f, _, err := wire.Next(buf)
			if err != nil || !f.Whole() {
				t.Fatal(f, err)
			}
			out = append(out, fmt.Sprintf("%c %d", f.Type, f.Size))
			buf = buf[wire.HeaderLen+f.Size:]
		}
		return err
	})
	return out
}

func saltSeen(t *testing.T, d door, user string) (salt string) {
	let(t, d, func(conn net.Conn) error {
		tap := &tap{ReadWriter: conn}
		_, err := Login(wire.NewStream(tap), LoginParams{User: user, Credentials: Password("wrong")})
		_, rest, _ := strings.Cut(string(tap.in), ",s=")
		salt, _, _ = strings.Cut(rest, ",")
		return err
	})
	return salt
}

// tap keeps what is read and written.
type tap struct {
	io.ReadWriter
	in, out []byte
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.ReadWriter.Read(p)
	t.in = append(t.in, p[:n]...)
	return n, err
}

func (t *tap) Write(p []byte) (int, error) {
	t.out = append(t.out, p...)
	return t.ReadWriter.Write(p)
}

func TestClientThatLeavesWhenAskedForAPasswordIsEOF(t *testing.T) {
	for _, method := range []string{"password", "md5", "scram-sha-256"} {
		for name, last := range map[string][]wire.Message{"closes": nil, "terminates": {&pgproto3.Terminate{}}} {
			_, err, _ := let(t, newDoor(t, method, pencilUsers()), func(conn net.Conn) error {
				return askedThenSends(conn, last...)
			})
			if err != io.EOF {
				t.Errorf("%s, %s: %v", method, name, err)
			}
		}
	}
}

// askedThenSends starts up, waits for the first question, answers with msgs and leaves.
func askedThenSends(conn net.Conn, msgs ...wire.Message) error {
	s := wire.NewStream(conn)
	if err := s.Write(startup(LoginParams{User: "plain"})); err != nil {
		return err
	}
	if _, err := s.Read(100); err != nil || len(msgs) == 0 {
		return err
	}
	if err := s.Write(msgs...); err != nil {
		return nil // refused before all of it was read
	}
	io.Copy(io.Discard, conn)
	return nil
}

// raw is a message of bytes.
type raw string

func (r raw) Encode(dst []byte) ([]byte, error) { return append(dst, r...), nil }

// password is a message 'p' that claims size bytes and has body.
func password(size int, body string) raw {
	return raw(binary.BigEndian.AppendUint32([]byte{'p'}, uint32(size+4))) + raw(body)
}

func TestMalformedAnswersAreProtocolViolations(t *testing.T) {
	for _, c := range []struct {
		method, name string
		answer       wire.Message
	}{
		{"password", "too long", password(maxPassword+1, "")},
		{"password", "negative length", password(-5, "")},
		{"password", "no zero byte", password(3, "abc")},
		{"password", "two strings", password(4, "a\x00b\x00")},
		{"password", "a query", &pgproto3.Query{String: "select 1"}},
		{"md5", "no zero byte", password(3, "abc")},
		{"scram-sha-256", "too long", password(maxSASL+1, "")},
		{"scram-sha-256", "a password", &pgproto3.PasswordMessage{Password: "pencil"}},
		{"scram-sha-256", "empty", password(0, "")},
		{"scram-sha-256", "length too large", password(len(mechanismSCRAM)+8, mechanismSCRAM+"\x00\x00\x00\x00\x09n,,")},
		{"scram-sha-256", "no data", password(len(mechanismSCRAM)+5, mechanismSCRAM+"\x00\xff\xff\xff\xff")},
		{"scram-sha-256", "bad mechanism", &pgproto3.SASLInitialResponse{AuthMechanism: "PLAIN", Data: []byte("n,,n=,r=a")}},
	} {
		_, err, _ := let(t, newDoor(t, c.method, pencilUsers()), func(conn net.Conn) error {
			return askedThenSends(conn, c.answer)
		})
		if e, ok := errors.AsType[*wire.Error](err); !ok || e.Code != wire.ProtocolViolation || e.Severity != "FATAL" {
			t.Errorf("%s, %s: %v", c.method, c.name, err)
		}
	}
}

func TestPasswordsAsLongAsTokensAreAccepted(t *testing.T) {
	token := strings.Repeat("t", 32<<10)
	d := newDoor(t, "password", `"plain" "`+token+`"`)
	if got, doorErr, clientErr := let(t, d, loginAs("plain", Password(token))); got != Password(token) || doorErr != nil || clientErr != nil {
		t.Error(got, doorErr, clientErr)
	}
}

func TestProofForAnMD5SecretIsNeverAccepted(t *testing.T) {
	d := newDoor(t, "scram-sha-256", pencilUsers())
	hash := md5Secret("hashed", "pencil")
	for _, guess := range []string{"pencil", hash, "", strings.TrimPrefix(hash, "md5")} {
		if got, err, _ := let(t, d, loginAs("hashed", Password(guess))); err == nil {
			t.Errorf("%v is let in", got)
		}
	}
}

func BenchmarkLoginBothEndsWithAPlainPassword(b *testing.B) {
	d := newDoor(b, "scram-sha-256", `"plain" "pencil"`)
	for b.Loop() {
		if _, doorErr, clientErr := let(b, d, loginAs("plain", Password("pencil"))); doorErr != nil || clientErr != nil {
			b.Fatal(doorErr, clientErr)
		}
	}
}

func TestManyClientsOfOneUserAreProvedAtOnce(t *testing.T) {
	d := newDoor(t, "scram-sha-256", pencilUsers())
	var clients sync.WaitGroup
	clients.Go(func() { d.auth.Derive(t.Context()) }) // as at the start of a process
	for i := range 32 {
		user := []string{"plain", "scram"}[i%2]
		clients.Go(func() {
			if _, doorErr, clientErr := let(t, d, loginAs(user, Password("pencil"))); doorErr != nil || clientErr != nil {
				t.Error(doorErr, clientErr)
			}
		})
	}
	clients.Wait()
}
