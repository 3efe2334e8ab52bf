package auth

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// scramClient is the client's half of one SCRAM exchange (RFC 5802, 7677),
// without I/O: first, final, verify.
type scramClient struct {
	gs2     string // "n,,", "y,," or "p=tls-server-end-point,,"
	binding []byte // with "p=": what we saw of the server's certificate
	nonce   string
	bare    string // client-first-message-bare

	// Known after final.
	authMessage string
	serverKey   scramKey
}

// newSCRAMClient picks the mechanism: PLUS when the server offers it and there
// is something to bind to. "y" tells the server that we could have, so that it
// finds out if its offer was taken away on the road.
func newSCRAMClient(offered []string, binding []byte) (x *scramClient, mechanism string, err error) {
	x = &scramClient{gs2: "n,,", nonce: newNonce()}
	x.bare = "n=,r=" + x.nonce // no user name, as libpq: the startup message named the user
	plain := false
	for _, name := range offered {
		plain = plain || name == mechanismSCRAM
		if name == mechanismPlus && len(binding) > 0 {
			x.gs2, x.binding = bindingFlag+",,", binding
			return x, mechanismPlus, nil
		}
	}
	if !plain {
		return nil, "", fmt.Errorf("%w: SASL without %s", ErrMethod, mechanismSCRAM)
	}
	if len(binding) > 0 {
		x.gs2 = "y,,"
	}
	return x, mechanismSCRAM, nil
}

func (x *scramClient) first() string { return x.gs2 + x.bare }

// final answers the server's first message. keys gives the ClientKey and
// ServerKey for the server's salt and iteration count.
func (x *scramClient) final(serverFirst string, keys func(salt string, iterations int) (scramKeys, error)) (string, error) {
	m, err := parseServerFirst(serverFirst)
	if err != nil {
		return "", err
	}
	if len(m.nonce) <= len(x.nonce) || !strings.HasPrefix(m.nonce, x.nonce) {
		return "", fmt.Errorf("%w: SCRAM nonce does not go on from ours", ErrProtocol)
	}
	k, err := keys(m.salt, m.iterations)
	if err != nil {
		return "", err
	}
	input := append([]byte(x.gs2), x.binding...)
	withoutProof := "c=" + b64.EncodeToString(input) + ",r=" + m.nonce
	x.authMessage = x.bare + "," + serverFirst + "," + withoutProof
	x.serverKey = k.server
	proof := k.client.xor(k.client.hash().mac(x.authMessage))
	return withoutProof + ",p=" + proof.encode(), nil
}

// verify checks the server's own proof.
func (x *scramClient) verify(serverFinal string) error {
	value, _, found := attribute('v', serverFinal)
	var signature scramKey
	if !found || !signature.decode(value) || !signature.equal(x.serverKey.mac(x.authMessage)) {
		return ErrServerUnproven
	}
	return nil
}

// serverFirst is server-first-message.
type serverFirst struct {
	nonce      string
	salt       string // raw bytes
	iterations int
}

func parseServerFirst(msg string) (serverFirst, error) {
	nonce, rest, ok1 := attribute('r', msg)
	encoded, rest, ok2 := attribute('s', rest)
	count, _, ok3 := attribute('i', rest)
	salt, ok4 := decodeSalt(encoded)
	n, err := strconv.ParseInt(count, 10, 64)
	tooLong := errors.Is(err, strconv.ErrRange) // a number all the same
	switch {
	case !ok1 || !ok2 || !ok3 || !ok4 || err != nil && !tooLong || !isNonce(nonce):
		return serverFirst{}, fmt.Errorf("%w: malformed SCRAM message", ErrProtocol)
	case tooLong || n < 1 || n > maxIterations:
		return serverFirst{}, fmt.Errorf("%w: %.20s", ErrIterations, count)
	}
	return serverFirst{nonce: nonce, salt: salt, iterations: int(n)}, nil
}
