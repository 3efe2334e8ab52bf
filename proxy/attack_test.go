package proxy_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
)

// The attacks that poolers have fallen to, each with what the attacker is
// answered and a bystander who must not feel it.

// attackers lets each of several attacks loose, in its own subtest, beside one
// bystander; the attack calls b.served while it is under way.
func attackers[T any](t *testing.T, w *world, dsn string, attacks map[string]T, run func(t *testing.T, b *bystander, attack T)) {
	t.Helper()
	b := w.bystand(dsn)
	for name, a := range attacks {
		t.Run(name, func(t *testing.T) { run(t, b, a) })
	}
	b.leave()
}

// wire is a bare connection of a subtest.
func (w *world) wire(t *testing.T) net.Conn {
	t.Helper()
	return must(net.Dial("tcp", w.address()))(t)
}

// said reads to the end of the connection and returns the words of it: those
// of the messages, or what came in their place.
func (r *raw) said() string {
	r.t.Helper()
	var words []string
	for {
		m, err := r.fe.Receive()
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			r.t.Fatalf("the connection was not closed; it said %s", words)
		}
		if err != nil {
			return strings.Join(words, " ")
		}
		words = append(words, word(m))
	}
}

const somethingBase64 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

// TestAttackOnSCRAM sends what a client must not to Portero and to PostgreSQL:
// both answer alike, at once, and close.
func TestAttackOnSCRAM(t *testing.T) {
	w := start(t, authBy(t, "scram-sha-256", user("scrammer", "secret")))
	final := func(text string) pgproto3.FrontendMessage { return &pgproto3.SASLResponse{Data: []byte(text)} }
	startup := bytesOf(must((&pgproto3.StartupMessage{ProtocolVersion: version3, Parameters: map[string]string{"user": "app"}}).Encode(nil))(t))
	long := bytesOf(startupPacket(version3, "user\x00app\x00x\x00"+strings.Repeat("y", 9000)+"\x00\x00"))
	attackers(t, w, w.dsn("scrammer", "secret"), map[string]struct {
		answer func(nonce string) pgproto3.FrontendMessage // to the challenge; nonce is the whole of it
		first  pgproto3.FrontendMessage                    // in place of client-first
	}{
		"final without a nonce":     {answer: func(string) pgproto3.FrontendMessage { return final("c=biws,p=" + somethingBase64) }},
		"final with an empty nonce": {answer: func(string) pgproto3.FrontendMessage { return final("c=biws,r=,p=" + somethingBase64) }},
		"final with our half of the nonce": {answer: func(string) pgproto3.FrontendMessage {
			return final("c=biws,r=" + clientNonce + ",p=" + somethingBase64)
		}},
		"final with a longer nonce":     {answer: func(n string) pgproto3.FrontendMessage { return final("c=biws,r=" + n + "x,p=" + somethingBase64) }},
		"final without binding":         {answer: func(n string) pgproto3.FrontendMessage { return final("r=" + n + ",p=" + somethingBase64) }},
		"final with another binding":    {answer: func(n string) pgproto3.FrontendMessage { return final("c=eSws,r=" + n + ",p=" + somethingBase64) }},
		"final without a proof":         {answer: func(n string) pgproto3.FrontendMessage { return final("c=biws,r=" + n) }},
		"final with an empty proof":     {answer: func(n string) pgproto3.FrontendMessage { return final("c=biws,r=" + n + ",p=") }},
		"final with a short proof":      {answer: func(n string) pgproto3.FrontendMessage { return final("c=biws,r=" + n + ",p=AAAA") }},
		"final with a wrong proof":      {answer: func(n string) pgproto3.FrontendMessage { return final("c=biws,r=" + n + ",p=" + somethingBase64) }},
		"final that is empty":           {answer: func(string) pgproto3.FrontendMessage { return final("") }},
		"final of commas":               {answer: func(string) pgproto3.FrontendMessage { return final(strings.Repeat(",", 500)) }},
		"final with a zero byte":        {answer: func(n string) pgproto3.FrontendMessage { return final("c=biws,r=" + n + "\x00,p=" + somethingBase64) }},
		"the first message again":       {answer: func(string) pgproto3.FrontendMessage { return final("n,,n=,r=" + clientNonce) }},
		"startup in place of the final": {answer: func(string) pgproto3.FrontendMessage { return startup }},
		"long startup in its place":     {answer: func(string) pgproto3.FrontendMessage { return long }},
		"TLS in its place":              {answer: func(string) pgproto3.FrontendMessage { return bytesOf(sslRequest) }},
		"a cancel request in its place": {answer: func(string) pgproto3.FrontendMessage {
			return &pgproto3.CancelRequest{ProcessID: 1, SecretKey: []byte{1, 2, 3, 4}}
		}},
		"a query in its place":             {answer: func(string) pgproto3.FrontendMessage { return q("select 1") }},
		"startup in place of the first":    {first: startup},
		"a query in place of the first":    {first: q("select 1")},
		"an unknown mechanism":             {first: &pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-1", Data: []byte("n,,n=,r=x")}},
		"PLUS without TLS":                 {first: &pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256-PLUS", Data: []byte("p=tls-server-end-point,,n=,r=x")}},
		"first without a nonce":            {first: clientFirst("n,,n=")},
		"first for somebody else":          {first: clientFirst("n,a=postgres,n=,r=x")},
		"first with an extension":          {first: clientFirst("n,,m=x,n=,r=x")},
		"first of nothing":                 {first: clientFirst("")},
		"first of commas":                  {first: clientFirst(strings.Repeat(",", 500))},
		"first that claims another length": {first: bytesOf("p\x00\x00\x00\x1aSCRAM-SHA-256\x00\x7f\xff\xff\xffn,,x")},
	}, func(t *testing.T, b *bystander, a struct {
		answer func(nonce string) pgproto3.FrontendMessage
		first  pgproto3.FrontendMessage
	}) {
		said := make(map[string]string)
		for name, conn := range map[string]net.Conn{"Portero": w.wire(t), "PostgreSQL": dialServer(t)} {
			r := plugInto(t, conn)
			r.startup("user", "scrammer", "database", "app")
			if s := word(r.receive()); s != "*pgproto3.AuthenticationSASL" {
				t.Fatalf("%s asks for %s", name, s)
			}
			if a.first != nil {
				r.send(a.first)
			} else {
				r.send(clientFirst("n,,n=,r=" + clientNonce))
				challenge := r.receive().(*pgproto3.AuthenticationSASLContinue)
				nonce, _, _ := strings.Cut(strings.TrimPrefix(string(challenge.Data), "r="), ",")
				r.send(a.answer(nonce))
			}
			b.served(t)
			said[name] = r.said()
		}
		if said["Portero"] != said["PostgreSQL"] || !strings.HasPrefix(said["Portero"], "E(FATAL_") {
			t.Errorf("%v", said)
		}
	})
}

const clientNonce = "abcdefghijklmnopqrstuvwx"

func clientFirst(text string) pgproto3.FrontendMessage {
	return &pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte(text)}
}

// bytesOf is a message of any bytes.
type bytesOf string

func (b bytesOf) Encode(dst []byte) ([]byte, error) { return append(dst, b...), nil }
func (bytesOf) Decode([]byte) error                 { return nil }
func (bytesOf) Frontend()                           {}

// TestAttackByEmptyNamesInOptions: PostgreSQL's own answers are the measure.
func TestAttackByEmptyNamesInOptions(t *testing.T) {
	w := start(t)
	attacks := make(map[string]string)
	for _, o := range []string{
		"-c=", "-c =", "-c =x", "-c ==", "--=", "--=x", "-c -=1", "--", "-c", "-cx", "-c x", "--x", "-c work_mem", "-c work_mem=",
		"-c .=1", "-c a.=1", "-c .a=1", "-c a..b=1", `-c \ =1`, `-c \==1`, `-c "=1`, "-c work_mem=1MB -c=", "-c = -c =", `\`, `-c a.b=\`,
		"-c " + strings.Repeat("x", 5000) + "=1", strings.Repeat("-c = ", 1000), strings.Repeat("-c", 3000),
	} {
		attacks[fmt.Sprintf("%.30q", o)] = o
	}
	attackers(t, w, w.dsn("app", ""), attacks, func(t *testing.T, b *bystander, options string) {
		said := make(map[string]string)
		for name, conn := range map[string]net.Conn{"Portero": w.wire(t), "PostgreSQL": dialServer(t)} {
			r := plugInto(t, conn)
			r.startup("user", "app", "options", options)
			b.served(t)
			r.send(&pgproto3.Terminate{})
			said[name] = strings.TrimPrefix(r.said(), "R ")
			if i := strings.Index(said[name], "S("); i >= 0 {
				said[name] = "let in"
			}
		}
		if said["Portero"] != said["PostgreSQL"] {
			t.Errorf("%v", said)
		}
	})
}

// TestAttackByLengths claims lengths below that of the length itself and above
// 2^31, at each stage of a client's life.
func TestAttackByLengths(t *testing.T) {
	w := start(t, authBy(t, "password", user("clear", "secret")))
	defer w.refusedAtOnce()
	stages := map[string]func(r *raw) byte{ // to the stage; the type of the message that lies
		"startup": func(r *raw) byte { return 0 },
		"password": func(r *raw) byte {
			r.startup("user", "clear", "database", "app")
			r.receive()
			return 'p'
		},
		"query": func(r *raw) byte {
			r.enter("clear", "secret")
			return 'Q'
		},
		"copy": func(r *raw) byte {
			r.enter("clear", "secret")
			r.ask("C(CREATE_TABLE) G", q("create temp table victim(x text); copy victim from stdin"))
			return 'd'
		},
		"pipeline": func(r *raw) byte {
			r.enter("clear", "secret")
			r.send(parse("select 1"))
			return 'B'
		},
	}
	attackers(t, w, w.dsn("clear", "secret"), stages, func(t *testing.T, b *bystander, stage func(*raw) byte) {
		for _, length := range []uint32{0, 1, 3, 0x7fffffff, 0x80000000, 0x80000003, 0x80000004, 0xfffffff0, 0xffffffff} {
			r := plugInto(t, w.wire(t))
			kind := stage(r)
			lie := packet(length, version3, "user\x00clear\x00\x00")
			if kind != 0 {
				lie = append([]byte{kind}, lie...)
			}
			grown := heapGrowth(func(look func()) {
				r.sendBytes(lie)
				b.served(t)
				if said := r.said(); said != "E(FATAL_08P01)" {
					t.Errorf("length %#x: %s", length, said)
				}
				look()
			})
			if grown > maxGrowth {
				t.Errorf("length %#x: the heap grew by %d bytes", length, grown)
			}
		}
	})
}

// enter logs in with a cleartext password.
func (r *raw) enter(user, password string) {
	r.t.Helper()
	r.startup("user", user, "database", "app")
	r.receive()
	r.ask("R", &pgproto3.PasswordMessage{Password: password})
	for word(r.receive()) != "Z(I)" {
	}
}

// TestAttackByIterationCounts: a server may be anybody's. The client is told
// what is wrong with it, at once.
func TestAttackByIterationCounts(t *testing.T) {
	counts := map[string]string{
		"one too many": "1000001", "2^31": "2147483648", "2^32 and one": "4294967297", "2^63": "9223372036854775808",
		"a long number": strings.Repeat("9", 1000), "none": "0", "less than none": "-1",
	}
	var count string
	rogue := startFake(t, honest)
	rogue.prove = func(c *fakeConn) bool { return challenge(c, "s=W22ZaJ0SNY7soEsUEjb6gQ==,i="+count) }
	w := start(t, authBy(t, "trust", user("app", "secret")), func(c *config.Config) {
		evil := c.Clusters[0]
		evil.Name, evil.Hosts = "evil", []string{rogue.address}
		c.Clusters = append(c.Clusters, evil)
		route := c.Routes[0]
		route.Database, route.Cluster = "evil", "evil"
		c.Routes = append([]config.Route{route}, c.Routes...)
	})
	attackers(t, w, w.dsn("app", ""), counts, func(t *testing.T, b *bystander, n string) {
		count = n
		r := plugInto(t, w.wire(t))
		r.startup("user", "app", "database", "evil")
		b.served(t)
		r.expect("R")
		e, ok := r.receive().(*pgproto3.ErrorResponse)
		if !ok || e.Severity != "FATAL" || e.Code != "28000" || !strings.Contains(e.Message, "iteration count that is not between 1 and 1000000") {
			t.Errorf("%+v", e)
		}
		r.ended()
	})
}

// challenge runs SCRAM as a server that answers the client's first message by
// salt and count of its own.
func challenge(c *fakeConn, rest string) bool {
	c.say(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-256"}})
	c.be.SetAuthType(pgproto3.AuthTypeSASL) //nolint:errcheck // a known type
	m, err := c.be.Receive()
	first, ok := m.(*pgproto3.SASLInitialResponse)
	if err != nil || !ok {
		return false
	}
	_, nonce, _ := strings.Cut(string(first.Data), ",r=")
	c.say(&pgproto3.AuthenticationSASLContinue{Data: []byte("r=" + nonce + "server," + rest)})
	_, err = c.be.Receive()
	return err == nil
}

// TestAttackBehindTheRequestForTLS stuffs what is to be taken for encrypted
// later behind the SSLRequest (CVE-2021-23214).
func TestAttackBehindTheRequestForTLS(t *testing.T) {
	startup := string(startupPacket(version3, "user\x00app\x00\x00"))
	query := string(must(q("create table stuffed()").Encode(nil))(t))
	for _, mode := range []string{"prefer", "require"} {
		w := start(t, secured(t, mode))
		attackers(t, w, w.dsn("app", "", "sslmode=require"), map[string]string{
			"one byte": "x", "a startup message": startup, "a session": startup + query, "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
			"a second request": string(sslRequest), "another request": string(gssRequest), "much": strings.Repeat("x", 1<<20),
		}, func(t *testing.T, b *bystander, stuffed string) {
			r := plugInto(t, w.wire(t))
			r.sendBytes([]byte(string(sslRequest) + stuffed[:min(len(stuffed), 500)]))
			go io.WriteString(r.conn, stuffed[min(len(stuffed), 500):]) //nolint:errcheck // until it is closed
			b.served(t)
			e, ok := r.receive().(*pgproto3.ErrorResponse)
			if !ok || e.Severity != "FATAL" || e.Code != "08P01" || e.Message != "received unencrypted data after SSL request" {
				t.Errorf("%s: %+v", mode, e)
			}
			if rest := r.said(); rest != "" {
				t.Errorf("%s: and then %s", mode, rest)
			}
		})
	}
	if n := superuser(t, "select count(*) from pg_class where relname = 'stuffed'"); n != "0" {
		t.Error("what was stuffed has been run")
	}
}
