package auth

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

// SASL mechanism names (RFC 7677) and the one kind of channel binding that
// PostgreSQL speaks (RFC 5929).
const (
	mechanismSCRAM = "SCRAM-SHA-256"
	mechanismPlus  = "SCRAM-SHA-256-PLUS"
	bindingFlag    = "p=tls-server-end-point"
)

const (
	defaultIterations = 4096      // PostgreSQL's scram_iterations
	maxIterations     = 1_000_000 // 0.15 s of CPU where SHA-256 is in hardware: as much as a server may make us spend
	saltLen           = 16        // PostgreSQL's SCRAM_DEFAULT_SALT_LEN
	nonceLen          = 18        // raw bytes; 24 in base64, as PostgreSQL's
)

var b64 = base64.StdEncoding.Strict()

// scramKey is one of the keys of RFC 5802, section 3.
type scramKey [sha256.Size]byte

// verifier is what a server stores of a password: enough to check a proof,
// not enough to make one.
type verifier struct {
	salt       string // raw bytes
	iterations int
	storedKey  scramKey
	serverKey  scramKey
}

// scramKeys are all keys of one password, salt and iteration count.
type scramKeys struct {
	client, stored, server scramKey
}

var errVerifier = errors.New("not of the form SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>")

// parseVerifier reads the form of pg_authid.rolpassword (PostgreSQL
// documentation, catalog pg_authid). Its error does not repeat the text.
func parseVerifier(s string) (verifier, error) {
	rest, found := strings.CutPrefix(s, mechanismSCRAM+"$")
	if !found {
		return verifier{}, errVerifier
	}
	head, keys, ok1 := strings.Cut(rest, "$")
	iterations, salt, ok2 := strings.Cut(head, ":")
	stored, server, ok3 := strings.Cut(keys, ":")
	n, err := strconv.ParseUint(iterations, 10, 31)
	rawSalt, ok4 := decodeSalt(salt)
	v := verifier{salt: rawSalt, iterations: int(n)}
	ok := ok1 && ok2 && ok3 && ok4 && err == nil && n > 0 &&
		v.storedKey.decode(stored) && v.serverKey.decode(server)
	if !ok {
		return verifier{}, errVerifier
	}
	return v, nil
}

// Verifier is what PostgreSQL stores of a password (pg_authid.rolpassword), and a file of users
// has. salt is raw bytes. It takes as long as iterations say: see deriveKeys.
func Verifier(password, salt string, iterations int) string {
	k := deriveKeys(password, salt, iterations)
	return mechanismSCRAM + "$" + strconv.Itoa(iterations) + ":" + b64.EncodeToString([]byte(salt)) + "$" + k.stored.encode() + ":" + k.server.encode()
}

func decodeSalt(s string) (string, bool) {
	raw, err := b64.DecodeString(s)
	return string(raw), err == nil && len(raw) > 0
}

// decode sets k from base64 and reports whether that was a whole key.
func (k *scramKey) decode(s string) bool {
	raw, err := b64.DecodeString(s)
	return err == nil && copy(k[:], raw) == len(k) && len(raw) == len(k)
}

func (k scramKey) encode() string { return b64.EncodeToString(k[:]) }

func (k scramKey) equal(o scramKey) bool { return subtle.ConstantTimeCompare(k[:], o[:]) == 1 }

func (k scramKey) xor(o scramKey) (out scramKey) {
	subtle.XORBytes(out[:], k[:], o[:])
	return out
}

// hash is H of RFC 5802: ClientKey to StoredKey.
func (k scramKey) hash() scramKey { return sha256.Sum256(k[:]) }

// mac is HMAC(k, text) (RFC 2104), with two hashes of memory on the stack: crypto/hmac makes eight
// objects of it, and a login has two.
func (k scramKey) mac(text string) scramKey {
	var inner, outer [sha256.BlockSize]byte
	copy(inner[:], k[:]) // shorter than a block, so that it needs no hash
	copy(outer[:], k[:])
	for i := range inner {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	const usual = 512 // an AuthMessage has some 200 bytes, or 300
	sum := sha256.Sum256(append(append(make([]byte, 0, usual), inner[:]...), text...))
	return sha256.Sum256(append(append(make([]byte, 0, usual), outer[:]...), sum[:]...))
}

// deriveKeys is what makes SCRAM dear: 0.6 ms of CPU for 4096 iterations where
// SHA-256 is in hardware, several times that where it is not.
func deriveKeys(password, salt string, iterations int) scramKeys {
	raw, err := pbkdf2.Key(sha256.New, saslPrep(password), []byte(salt), iterations, sha256.Size)
	if err != nil { // only for key lengths and FIPS rules that cannot apply here
		panic(err)
	}
	salted := scramKey(raw)
	client := salted.mac("Client Key")
	return scramKeys{client: client, stored: client.hash(), server: salted.mac("Server Key")}
}

// newNonce returns printable characters without a comma.
func newNonce() string {
	var raw [nonceLen]byte
	rand.Read(raw[:]) // never fails: crypto/rand ends the process instead
	return b64.EncodeToString(raw[:])
}

// attribute cuts "name=value" off the front of a SCRAM message; found is false
// when the message does not begin with that attribute.
func attribute(name byte, msg string) (value, rest string, found bool) {
	head, rest, _ := strings.Cut(msg, ",")
	if len(head) < 2 || head[0] != name || head[1] != '=' {
		return "", msg, false
	}
	return head[2:], rest, true
}

// isNonce reports whether s is what RFC 5802 calls printable, and not empty.
func isNonce(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e || s[i] == ',' {
			return false
		}
	}
	return s != ""
}
