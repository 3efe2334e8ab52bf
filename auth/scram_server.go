package auth

import (
	"strconv"
	"strings"

	"portero/wire"
)

// scramServer is the server's half of one SCRAM exchange (RFC 5802, 7677),
// without I/O: first, then final. Its errors are for the client, worded as
// PostgreSQL words them.
type scramServer struct {
	verifier verifier
	binding  []byte // tls-server-end-point data; empty: PLUS is not offered
	nonce    string // our part of it

	// Known after first.
	plus        bool
	gs2         string
	firstBare   string
	fullNonce   string
	serverFirst string
}

func newSCRAMServer(v verifier, binding []byte) *scramServer {
	return &scramServer{verifier: v, binding: binding, nonce: newNonce()}
}

func (x *scramServer) mechanisms() []string {
	if len(x.binding) > 0 {
		return []string{mechanismPlus, mechanismSCRAM}
	}
	return []string{mechanismSCRAM}
}

// first answers the client's first message, sent for the mechanism it chose.
func (x *scramServer) first(mechanism, msg string) (string, error) {
	x.plus = mechanism == mechanismPlus && len(x.binding) > 0
	if !x.plus && mechanism != mechanismSCRAM {
		return "", wire.Fatal(wire.ProtocolViolation, "client selected an invalid SASL authentication mechanism")
	}
	m, err := parseClientFirst(msg)
	if err != nil {
		return "", err
	}
	if err := x.checkFlag(m.flag); err != nil {
		return "", err
	}
	x.gs2, x.firstBare, x.fullNonce = m.gs2, m.bare, m.nonce+x.nonce
	x.serverFirst = "r=" + x.fullNonce + ",s=" + b64.EncodeToString([]byte(x.verifier.salt)) +
		",i=" + strconv.Itoa(x.verifier.iterations)
	return x.serverFirst, nil
}

// checkFlag holds the client's channel-binding flag against what was offered
// and chosen (RFC 5802, section 6). "y" says "I could, you did not offer":
// when we did, somebody between us took the offer away.
func (x *scramServer) checkFlag(flag string) error {
	switch {
	case flag == "y" && len(x.binding) > 0:
		e := wire.Fatal(wire.InvalidAuthorization, "SCRAM channel binding negotiation error")
		e.Detail = "The client supports SCRAM channel binding but thinks the server does not. However, this server does support channel binding."
		return e
	case flag == "y" || flag == "n":
		if x.plus {
			return malformed("The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.")
		}
	case !x.plus:
		return malformed("The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.")
	case flag != bindingFlag:
		return wire.Fatal(wire.ProtocolViolation, "unsupported SCRAM channel-binding type")
	}
	return nil
}

// final checks the client's last message. ok says whether the proof is right;
// then key is the ClientKey, and the answer is the server's own proof.
func (x *scramServer) final(msg string) (answer string, key scramKey, ok bool, err error) {
	m, err := parseClientFinal(msg)
	if err != nil {
		return "", key, false, err
	}
	if err := x.checkBinding(m.binding); err != nil {
		return "", key, false, err
	}
	if m.nonce != x.fullNonce {
		e := wire.Fatal(wire.ProtocolViolation, "invalid SCRAM response")
		e.Detail = "Nonce does not match."
		return "", key, false, e
	}
	authMessage := x.firstBare + "," + x.serverFirst + "," + m.withoutProof
	key = m.proof.xor(x.verifier.storedKey.mac(authMessage))
	if !key.hash().equal(x.verifier.storedKey) {
		return "", scramKey{}, false, nil
	}
	return "v=" + x.verifier.serverKey.mac(authMessage).encode(), key, true, nil
}

// checkBinding compares what the client saw of our certificate, or what it
// says it said before, with what we know.
func (x *scramServer) checkBinding(got string) error {
	want := x.gs2
	if x.plus {
		want += string(x.binding)
	}
	if got == b64.EncodeToString([]byte(want)) {
		return nil
	}
	if x.plus {
		return wire.Fatal(wire.InvalidAuthorization, "SCRAM channel binding check failed")
	}
	return wire.Fatal(wire.ProtocolViolation, "unexpected SCRAM channel-binding attribute in client-final-message")
}

// clientFirst is gs2-header and client-first-message-bare.
type clientFirst struct {
	flag  string // "n", "y" or "p=<type>"
	gs2   string // the header with its commas
	bare  string
	nonce string
}

// parseClientFirst reads a client-first-message. The user name in it is
// ignored, as PostgreSQL does: the startup message has named the user.
func parseClientFirst(msg string) (clientFirst, error) {
	parts := strings.SplitN(msg, ",", 3)
	if len(parts) < 3 || strings.IndexByte(msg, 0) >= 0 {
		return clientFirst{}, malformed("")
	}
	m := clientFirst{flag: parts[0], gs2: parts[0] + "," + parts[1] + ",", bare: parts[2]}
	switch {
	case m.flag != "n" && m.flag != "y" && !strings.HasPrefix(m.flag, "p="):
		return clientFirst{}, malformed("Unexpected channel-binding flag.")
	case strings.HasPrefix(parts[1], "a="):
		return clientFirst{}, wire.Fatal(wire.FeatureNotSupported, "client uses authorization identity, but it is not supported")
	case parts[1] != "":
		return clientFirst{}, malformed("")
	case strings.HasPrefix(m.bare, "m="):
		return clientFirst{}, wire.Fatal(wire.FeatureNotSupported, "client requires an unsupported SCRAM extension")
	}
	_, rest, named := attribute('n', m.bare)
	nonce, _, found := attribute('r', rest)
	if !named || !found {
		return clientFirst{}, malformed("")
	}
	if !isNonce(nonce) {
		return clientFirst{}, malformed("Non-printable characters in the nonce.")
	}
	m.nonce = nonce
	return m, nil
}

// clientFinal is client-final-message.
type clientFinal struct {
	binding      string // base64, as sent
	nonce        string
	withoutProof string
	proof        scramKey
}

func parseClientFinal(msg string) (clientFinal, error) {
	i := strings.LastIndex(msg, ",p=")
	if i < 0 {
		return clientFinal{}, malformed("")
	}
	m := clientFinal{withoutProof: msg[:i]}
	binding, rest, bound := attribute('c', m.withoutProof)
	nonce, _, found := attribute('r', rest)
	if !bound || !found {
		return clientFinal{}, malformed("")
	}
	if !m.proof.decode(msg[i+len(",p="):]) {
		return clientFinal{}, malformed("Malformed proof.")
	}
	m.binding, m.nonce = binding, nonce
	return m, nil
}

func malformed(detail string) *wire.Error {
	e := wire.Fatal(wire.ProtocolViolation, "malformed SCRAM message")
	e.Detail = detail
	return e
}
