package auth

import "fmt"

type secretKind byte

const (
	secretNone     secretKind = iota
	secretPlain               // the password itself
	secretMD5                 // "md5" and 32 hex digits
	secretVerifier            // SCRAM verifier: checks proofs, cannot make them
	secretKeys                // SCRAM verifier and the ClientKey: makes proofs
)

// Credentials is what we hold to log in to servers as a user. The zero value
// is nothing: it logs in where the server asks for no proof.
//
// It is a value: immutable, comparable with ==, safe for concurrent use. It
// holds secrets; fmt, slog and encoding/json do not show them.
type Credentials struct {
	kind      secretKind
	secret    string // secretPlain, secretMD5
	verifier  verifier
	clientKey scramKey // secretKeys
}

// Password returns the Credentials of a plain password; "" gives the zero value.
func Password(plain string) Credentials {
	if plain == "" {
		return Credentials{}
	}
	return Credentials{kind: secretPlain, secret: plain}
}

// String names the kind of secret, never the secret.
func (c Credentials) String() string {
	switch c.kind {
	case secretVerifier:
		return c.kind.String() + " without ClientKey"
	case secretKeys:
		return c.kind.String() + " with ClientKey"
	}
	return c.kind.String()
}

func (k secretKind) String() string {
	switch k {
	case secretPlain:
		return "password"
	case secretMD5:
		return "md5 hash"
	case secretVerifier, secretKeys:
		return "SCRAM verifier"
	}
	return "no secret"
}

// GoString keeps %#v from printing the fields.
func (c Credentials) GoString() string { return "auth.Credentials(" + c.String() + ")" }

// Format keeps the other verbs, %x and %q among them, from printing the fields.
func (c Credentials) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		fmt.Fprint(f, c.GoString())
		return
	}
	fmt.Fprint(f, c.String())
}

// cleartext is the answer to AuthenticationCleartextPassword.
func (c Credentials) cleartext() (string, error) {
	if c.kind != secretPlain {
		return "", c.cannot("a cleartext password")
	}
	return c.secret, nil
}

// md5 is the answer to AuthenticationMD5Password.
func (c Credentials) md5(user string, salt [4]byte) (string, error) {
	switch c.kind {
	case secretPlain:
		return md5Answer(md5Secret(user, c.secret), salt), nil
	case secretMD5:
		return md5Answer(c.secret, salt), nil
	}
	return "", c.cannot("md5")
}

// scram gives the keys for a server's salt and iteration count. A ClientKey
// serves one salt and iteration count only, those of the user file's verifier.
func (c Credentials) scram(salt string, iterations int) (scramKeys, error) {
	switch c.kind {
	case secretPlain:
		return derived.keys(c.secret, salt, iterations), nil
	case secretKeys:
		v := c.verifier
		if v.salt != salt || v.iterations != iterations {
			return scramKeys{}, ErrVerifierDiffers
		}
		return scramKeys{client: c.clientKey, stored: v.storedKey, server: v.serverKey}, nil
	}
	return scramKeys{}, c.cannot(mechanismSCRAM)
}

func (c Credentials) cannot(method string) error {
	return fmt.Errorf("%w: it asks for %s, we hold: %s", ErrNoSecret, method, c)
}
