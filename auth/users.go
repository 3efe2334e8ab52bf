package auth

import (
	"encoding/hex"
	"sync"
)

// Users is the content of a user file. It is immutable and safe for concurrent
// use; a nil *Users has no users.
type Users struct {
	entries map[string]*entry
	mocked  secretKind // the kind of secret most entries have; what unknown users seem to have
}

// entry is a user as an exchange sees it: one of the file, or a mock.
type entry struct {
	name     string
	creds    Credentials // what the file gives
	mock     bool        // no proof is right
	verifier func() verifier
}

// Len returns how many users the file has.
func (u *Users) Len() int {
	if u == nil {
		return 0
	}
	return len(u.entries)
}

// Lookup returns what the file alone gives to log in to servers as name, and
// whether name is in the file. A SCRAM verifier alone opens nothing: the user
// must first log in to us.
func (u *Users) Lookup(name string) (Credentials, bool) {
	if u == nil {
		return Credentials{}, false
	}
	e, found := u.entries[name]
	if !found {
		return Credentials{}, false
	}
	return e.creds, true
}

// find returns the entry that an exchange with name runs on. Who is unknown,
// or has an empty secret, gets a mock: it looks like most entries of the file.
func (u *Users) find(name string) *entry {
	if u == nil {
		return mockEntry(name, secretPlain)
	}
	if e, found := u.entries[name]; found && e.creds.kind != secretNone {
		return e
	}
	return mockEntry(name, u.mocked)
}

func newUsers(entries map[string]*entry) *Users {
	var count [secretKeys + 1]int
	for _, e := range entries {
		count[e.creds.kind]++
	}
	u := &Users{entries: entries, mocked: secretPlain}
	for _, k := range []secretKind{secretMD5, secretVerifier} {
		if count[k] > count[u.mocked] {
			u.mocked = k
		}
	}
	return u
}

// newEntry reads a secret of the file. A plain password's SCRAM verifier is
// derived when first asked for, once.
func newEntry(name, secret string) (*entry, error) {
	e := &entry{name: name}
	switch {
	case looksLikeVerifier(secret):
		v, err := parseVerifier(secret)
		if err != nil {
			return nil, err
		}
		e.creds = Credentials{kind: secretVerifier, verifier: v}
		e.verifier = func() verifier { return v }
	case isMD5Secret(secret):
		e.creds = Credentials{kind: secretMD5, secret: secret}
	case secret != "":
		e.creds = Password(secret)
		e.verifier = sync.OnceValue(func() verifier { return deriveVerifier(name, secret) })
	}
	return e, nil
}

// deriveVerifier uses the salt that a mock of the same name has, so that salts
// tell nobody which users the file has.
func deriveVerifier(name, password string) verifier {
	salt := saltOf(name)
	k := deriveKeys(password, salt, defaultIterations)
	return verifier{salt: salt, iterations: defaultIterations, storedKey: k.stored, serverKey: k.server}
}

func saltOf(name string) string {
	sum := processKey.mac("salt " + name)
	return string(sum[:saltLen])
}

// mockEntry has a random secret that nobody knows.
func mockEntry(name string, kind secretKind) *entry {
	secret := processKey.mac("secret " + name)
	text := hex.EncodeToString(secret[:])
	e := &entry{name: name, mock: true, verifier: func() verifier { return mockVerifier(name) }}
	switch kind {
	case secretVerifier:
		e.creds = Credentials{kind: kind, verifier: mockVerifier(name)}
	case secretMD5:
		e.creds = Credentials{kind: kind, secret: md5Secret(name, text)}
	default:
		e.creds = Password(text)
	}
	return e
}

func mockVerifier(name string) verifier {
	return verifier{
		salt: saltOf(name), iterations: defaultIterations,
		storedKey: processKey.mac("stored " + name), serverKey: processKey.mac("server " + name),
	}
}

// scramVerifier returns what to check a SCRAM proof with; usable is false when
// no proof may be accepted: of a mock, and of an md5 hash, which no SCRAM
// verifier can be made of.
func (e *entry) scramVerifier() (v verifier, usable bool) {
	if e.verifier == nil {
		return mockVerifier(e.name), false
	}
	return e.verifier(), !e.mock
}
