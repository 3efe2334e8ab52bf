package main

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
)

// password is that of the role where clients prove themselves.
const password = "bench"

// iterations is PostgreSQL's default.
const iterations = 4096

// salt is always the same one: so the keys are derived once, as RFC 5802 allows a client to
// keep them. A client that derived them at each login would cost more than the proxy does.
var salt = []byte("portero's bench!")

// scramKeys are what a password comes to.
type scramKeys struct{ client, stored, server []byte }

var theKeys = sync.OnceValue(func() scramKeys { return deriveKeys(password, salt, iterations) })

// deriveKeys is section 3 of RFC 5802.
func deriveKeys(password string, salt []byte, iterations int) scramKeys {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		panic(err) // only for keys of impossible lengths
	}
	client := sign(salted, "Client Key")
	stored := sha256.Sum256(client)
	return scramKeys{client: client, stored: stored[:], server: sign(salted, "Server Key")}
}

func sign(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// verifier is what PostgreSQL stores, and a file of users has.
func (k scramKeys) verifier() string {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64(salt), b64(k.stored), b64(k.server))
}

// scramMechanism is without channel binding, which both proxies also let in.
const scramMechanism = "SCRAM-SHA-256"

// scramLogin is the client's side of one login.
type scramLogin struct{ bare string } // client-first-message-bare

// first begins, with a number of its own.
func (s *scramLogin) first() []byte {
	s.bare = "n=,r=" + rand.Text()
	return []byte("n,," + s.bare)
}

// final answers the server's first message.
func (s *scramLogin) final(serverFirst string) ([]byte, error) {
	nonce, rest, _ := strings.Cut(serverFirst, ",")
	known := fmt.Sprintf("s=%s,i=%d", base64.StdEncoding.EncodeToString(salt), iterations)
	if !strings.HasPrefix(nonce, s.bare[len("n=,"):]) || rest != known {
		return nil, fmt.Errorf("SCRAM: the server begins with %q, and not with the salt of the file of users", serverFirst)
	}
	return theKeys().prove(s.bare, serverFirst, "c=biws,"+nonce), nil
}

// prove is the client's last message: without, and the proof.
func (k scramKeys) prove(bare, serverFirst, without string) []byte {
	proof := sign(k.stored, bare+","+serverFirst+","+without)
	subtle.XORBytes(proof, proof, k.client)
	return []byte(without + ",p=" + base64.StdEncoding.EncodeToString(proof))
}
