package auth

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// loginAgainst logs in to a server that play plays.
func loginAgainst(t *testing.T, p LoginParams, play func(*wire.Stream) error) (LoginResult, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	played := make(chan error, 1)
	go func() {
		s := wire.NewStream(theirs)
		_, err := readStartup(s)
		if err == nil {
			err = play(s)
		}
		if err == nil {
			io.Copy(io.Discard, theirs)
		}
		played <- err
		theirs.Close()
	}()
	r, err := Login(wire.NewStream(ours), p)
	ours.Close()
	<-played
	return r, err
}

// says is a server that sends msgs whatever it is told.
func says(msgs ...wire.Message) func(*wire.Stream) error {
	return func(s *wire.Stream) error { return s.Write(msgs...) }
}

func authRequest(kind uint32, data string) raw {
	head := binary.BigEndian.AppendUint32([]byte{'R'}, uint32(8+len(data)))
	return raw(binary.BigEndian.AppendUint32(head, kind)) + raw(data)
}

func TestLoginReturnsWhatTheServerSaysOfItself(t *testing.T) {
	p := LoginParams{User: "me", Database: "db", Parameters: []wire.Parameter{{Name: "application_name", Value: "portero"}, {Value: "x"}}}
	r, err := loginAgainst(t, p, says(
		&pgproto3.NoticeResponse{Severity: "WARNING", Message: "early"},
		&pgproto3.AuthenticationOk{},
		&pgproto3.NegotiateProtocolVersion{},
		&pgproto3.ParameterStatus{Name: "in_hot_standby", Value: "off"},
		&pgproto3.NoticeResponse{Severity: "NOTICE", Message: "hello"},
		&pgproto3.ParameterStatus{Name: "server_version", Value: "15.1"},
		&pgproto3.BackendKeyData{ProcessID: 1 << 31, SecretKey: []byte(strings.Repeat("k", 256))},
		&pgproto3.ReadyForQuery{TxStatus: 'I'},
	))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Parameters) != 2 || r.Parameters["in_hot_standby"] != "off" || r.Parameters["server_version"] != "15.1" {
		t.Errorf("parameters %v", r.Parameters)
	}
	if got := string(r.Greeting); strings.Count(got, "\x00M") != 2 || strings.Index(got, "early") > strings.Index(got, "15.1") || got[0] != 'N' {
		t.Errorf("greeting %q", got)
	}
	if r.PID != 1<<31 || len(r.SecretKey) != 256 || r.Status != 'I' {
		t.Errorf("%d, %d bytes, %c", r.PID, len(r.SecretKey), r.Status)
	}
}

func TestLoginLeavesWhatIsBehindReadyForQuery(t *testing.T) {
	ours, theirs := net.Pipe()
	go func() {
		s := wire.NewStream(theirs)
		readStartup(s)
		s.Write(&pgproto3.AuthenticationOk{}, &pgproto3.ReadyForQuery{TxStatus: 'I'}, raw("more"))
	}()
	s := wire.NewStream(ours)
	if _, err := Login(s, LoginParams{User: "me"}); err != nil {
		t.Fatal(err)
	}
	if got := string(s.Buffered()); got != "more" {
		t.Errorf("%q", got)
	}
}

func TestServerErrorsKeepTheirSQLSTATE(t *testing.T) {
	refusal := &wire.Error{Severity: "FATAL", Code: "53300", Message: "sorry, too many clients already", Hint: "h", Detail: "d"}
	for name, play := range map[string]func(*wire.Stream) error{
		"at once":              says(refusal),
		"after the password":   says(&pgproto3.AuthenticationCleartextPassword{}, refusal),
		"amid SCRAM":           says(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{mechanismSCRAM}}, refusal),
		"after authentication": says(&pgproto3.AuthenticationOk{}, refusal),
	} {
		_, err := loginAgainst(t, LoginParams{User: "me", Credentials: Password("x")}, func(s *wire.Stream) error {
			go io.Copy(io.Discard, s2r{s}) // the pipe has no buffer: take what is sent meanwhile
			return play(s)
		})
		var e *wire.Error
		if !errors.As(err, &e) || *e != *refusal {
			t.Errorf("%s: %v", name, err)
		}
		var late *Unready
		if behind := errors.As(err, &late); behind != (name == "after authentication") {
			t.Errorf("%s: behind AuthenticationOk %t", name, behind)
		} else if behind && string(late.Frame) != string(refusal.Append(nil)) {
			t.Errorf("%s: %q is not what came", name, late.Frame)
		}
	}
}

// s2r reads what a Stream's peer sends.
type s2r struct{ *wire.Stream }

func (r s2r) Read(p []byte) (int, error) {
	b, err := r.ReadN(1)
	return copy(p, b), err
}

func TestServersThatBreakTheProtocolAreGivenUp(t *testing.T) {
	v, k := rfcVerifier(t)
	keys := Credentials{kind: secretKeys, verifier: v, clientKey: k.client}
	scramOffer := &pgproto3.AuthenticationSASL{AuthMechanisms: []string{mechanismSCRAM}}
	for _, c := range []struct {
		name  string
		creds Credentials
		want  error
		msgs  []wire.Message
	}{
		{"GSSAPI", Password("x"), ErrMethod, []wire.Message{authRequest(7, "")}},
		{"SSPI", Password("x"), ErrMethod, []wire.Message{authRequest(9, "")}},
		{"Kerberos", Password("x"), ErrMethod, []wire.Message{authRequest(2, "")}},
		{"from the future", Password("x"), ErrMethod, []wire.Message{authRequest(99, "data")}},
		{"SASL without SCRAM", Password("x"), ErrMethod, []wire.Message{&pgproto3.AuthenticationSASL{AuthMechanisms: []string{"OAUTHBEARER"}}}},
		{"PLUS only, without TLS", Password("x"), ErrMethod, []wire.Message{&pgproto3.AuthenticationSASL{AuthMechanisms: []string{mechanismPlus}}}},
		{"no mechanism", Password("x"), ErrMethod, []wire.Message{authRequest(10, "")}},
		{"SASLContinue at once", Password("x"), ErrMethod, []wire.Message{authRequest(11, "")}},
		{"no secret, cleartext", Credentials{}, ErrNoSecret, []wire.Message{authRequest(3, "")}},
		{"ClientKey, cleartext", keys, ErrNoSecret, []wire.Message{authRequest(3, "")}},
		{"no secret, md5", Credentials{}, ErrNoSecret, []wire.Message{authRequest(5, "salt")}},
		{"ClientKey, md5", keys, ErrNoSecret, []wire.Message{authRequest(5, "salt")}},
		{"md5 hash, cleartext", Credentials{kind: secretMD5, secret: "md5"}, ErrNoSecret, []wire.Message{authRequest(3, "")}},
		{"md5 salt too short", Password("x"), ErrProtocol, []wire.Message{authRequest(5, "sal")}},
		{"truncated request", Password("x"), ErrProtocol, []wire.Message{raw("R\x00\x00\x00\x06\x00\x00")}},
		{"asked twice", Password("x"), ErrProtocol, []wire.Message{authRequest(3, ""), authRequest(3, "")}},
		{"ready at once", Password("x"), ErrProtocol, []wire.Message{&pgproto3.ReadyForQuery{TxStatus: 'I'}}},
		{"SCRAM left out", Password("x"), ErrServerUnproven, []wire.Message{scramOffer, &pgproto3.AuthenticationOk{}}},
		{"SCRAM turns to cleartext", Password("x"), ErrProtocol, []wire.Message{scramOffer, authRequest(3, "")}},
		{"a row before ready", Password("x"), ErrProtocol, []wire.Message{&pgproto3.AuthenticationOk{}, &pgproto3.DataRow{}}},
		{"bad ParameterStatus", Password("x"), ErrProtocol, []wire.Message{&pgproto3.AuthenticationOk{}, raw("S\x00\x00\x00\x06ab")}},
		{"huge message", Password("x"), ErrProtocol, []wire.Message{&pgproto3.AuthenticationOk{}, raw("S\x10\x00\x00\x00ab")}},
		{"not PostgreSQL", Password("x"), ErrProtocol, []wire.Message{raw("HTTP/1.1 400 Bad Request\r\n")}},
	} {
		_, err := loginAgainst(t, LoginParams{User: "me", Credentials: c.creds}, func(s *wire.Stream) error {
			go io.Copy(io.Discard, s2r{s})
			return s.Write(c.msgs...)
		})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), `log in to server as "me"`) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestEndlessLoginsAreGivenUp(t *testing.T) {
	big := &pgproto3.NoticeResponse{Message: strings.Repeat("x", maxLoginFrame-100)}
	for name, msg := range map[string]wire.Message{
		"messages": &pgproto3.ParameterStatus{Name: "a", Value: "b"},
		"bytes":    big,
	} {
		_, err := loginAgainst(t, LoginParams{User: "me"}, func(s *wire.Stream) error {
			err := s.Write(&pgproto3.AuthenticationOk{})
			for err == nil {
				err = s.Write(msg)
			}
			return err
		})
		if !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServerWithoutTheVerifierIsUnproven(t *testing.T) {
	_, err := loginAgainst(t, LoginParams{User: "me", Credentials: Password("pencil")}, func(s *wire.Stream) error {
		if err := s.Write(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{mechanismSCRAM}}); err != nil {
			return err
		}
		body, err := readAnswer(s, maxSASL)
		if err != nil {
			return err
		}
		_, nonce, _ := strings.Cut(string(body), ",r=")
		challenge := "r=" + nonce + "x,s=W22Z,i=4096"
		if err := s.Write(&pgproto3.AuthenticationSASLContinue{Data: []byte(challenge)}); err != nil {
			return err
		}
		if _, err = readAnswer(s, maxSASL); err != nil {
			return err
		}
		return s.Write(&pgproto3.AuthenticationSASLFinal{Data: []byte("v=" + scramKey{}.encode())}, &pgproto3.AuthenticationOk{})
	})
	if !errors.Is(err, ErrServerUnproven) {
		t.Error(err)
	}
}

func TestClientKeyServesOnlyTheVerifierItWasCapturedFor(t *testing.T) {
	v, k := rfcVerifier(t)
	c := Credentials{kind: secretKeys, verifier: v, clientKey: k.client}
	if got, err := c.scram(v.salt, v.iterations); err != nil || got != k {
		t.Error(err)
	}
	for name, ask := range map[string]func() (scramKeys, error){
		"salt":       func() (scramKeys, error) { return c.scram("another salt", v.iterations) },
		"iterations": func() (scramKeys, error) { return c.scram(v.salt, v.iterations+1) },
	} {
		if got, err := ask(); !errors.Is(err, ErrVerifierDiffers) || got != (scramKeys{}) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	c = Credentials{kind: secretVerifier, verifier: v}
	if _, err := c.scram(v.salt, v.iterations); !errors.Is(err, ErrNoSecret) {
		t.Errorf("verifier alone: %v", err)
	}
}

func TestServerThatHangsUpIsAnIOError(t *testing.T) {
	ours, theirs := net.Pipe()
	go func() {
		readStartup(wire.NewStream(theirs))
		theirs.Close()
	}()
	if _, err := Login(wire.NewStream(ours), LoginParams{User: "me"}); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestStartupParametersCannotSmuggleAUser(t *testing.T) {
	for name, p := range map[string]LoginParams{
		"zero byte in a value": {User: "me", Parameters: []wire.Parameter{{Name: "application_name", Value: "x\x00user\x00postgres"}}},
		"zero byte in a name":  {User: "me", Parameters: []wire.Parameter{{Name: "a\x00b", Value: "x"}}},
		"zero byte in user":    {User: "me\x00x"},
	} {
		if _, err := Login(wire.NewStream(new(nothing)), p); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := LoginParams{User: "me", Parameters: []wire.Parameter{{Name: "user", Value: "postgres"}, {Name: "database", Value: "postgres"}}}
	if m := startup(p); !slices.Equal(m.Parameters, []wire.Parameter{{Name: "user", Value: "me"}}) {
		t.Error(m.Parameters)
	}
}

// nothing takes all and says nothing.
type nothing struct{}

func (*nothing) Read([]byte) (int, error)    { return 0, io.EOF }
func (*nothing) Write(p []byte) (int, error) { return len(p), nil }
