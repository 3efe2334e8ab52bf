package auth

import (
	"context"
	"slices"
	"sync/atomic"
)

// Users is the content of a user file. It is safe for concurrent use; a nil
// *Users has no users.
type Users struct {
	entries map[string]*entry
	plain   []*entry   // those whose verifier is made here
	mocked  secretKind // the kind of secret most entries have; what unknown users seem to have
	shape   shape      // of the verifiers that are made here or mocked

	derived atomic.Bool // the verifiers of plain are made, and stay
}

// entry is a user as an exchange sees it: one of the file or of the servers, or a mock.
type entry struct {
	name     string
	creds    Credentials // what the file gives
	mock     bool        // no proof is right
	verifier func() verifier
	made     *verifier // of a plain password; not to be read before Users.derived
	finding  *finding  // where it stands, if the servers were asked for it
	why      string    // it is a mock, for the log; "" if the user file is all there is
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
		u = nobody
	}
	if e, found := u.entries[name]; found && e.creds.kind != secretNone {
		return e
	}
	return u.mockEntry(name)
}

var nobody = newUsers(nil)

func newUsers(entries map[string]*entry) *Users {
	u := &Users{entries: entries, mocked: commonKind(entries), shape: commonShape(entries)}
	for _, e := range entries {
		u.equip(e)
	}
	u.derived.Store(len(u.plain) == 0)
	return u
}

// newEntry reads a secret of the file.
func newEntry(name, secret string) (*entry, error) {
	e := &entry{name: name}
	switch {
	case looksLikeVerifier(secret):
		v, err := parseVerifier(secret)
		if err != nil {
			return nil, err
		}
		e.creds = Credentials{kind: secretVerifier, verifier: v}
	case isMD5Secret(secret):
		e.creds = Credentials{kind: secretMD5, secret: secret}
	case secret != "":
		e.creds = Password(secret)
	}
	return e, nil
}

// equip gives an entry of the file what SCRAM is run with.
func (u *Users) equip(e *entry) {
	switch e.creds.kind {
	case secretVerifier:
		e.verifier = func() verifier { return e.creds.verifier }
	case secretPlain:
		u.plain = append(u.plain, e)
		e.verifier = func() verifier {
			if u.derived.Load() {
				return *e.made
			}
			return u.derive(e)
		}
	default:
		e.verifier = func() verifier { return u.mockVerifier(e.name) }
	}
}

// scramVerifier returns what to check a SCRAM proof with; usable is false when
// no proof may be accepted: of a mock, and of an md5 hash, which no SCRAM
// verifier can be made of.
func (e *entry) scramVerifier() (v verifier, usable bool) {
	return e.verifier(), e.provesBySCRAM()
}

// provesBySCRAM says whether there is a proof by SCRAM that is accepted.
func (e *entry) provesBySCRAM() bool { return !e.mock && e.creds.kind != secretMD5 }

// isDerived reports whether no verifier is made during an exchange any more.
func (u *Users) isDerived() bool { return u == nil || u.derived.Load() }

// derive makes the verifier of a plain password, in the shape and with the
// salt that a mock of the same name has, so that neither tells who is in the file.
func (u *Users) derive(e *entry) verifier {
	return derivedVerifier(e.name, e.creds.secret, u.shape)
}

func derivedVerifier(name, password string, s shape) verifier {
	salt := saltOf(name, s.saltLen)
	k := deriveKeys(password, salt, s.iterations)
	return verifier{salt: salt, iterations: s.iterations, storedKey: k.stored, serverKey: k.server}
}

// Derive makes what logins by SCRAM need of plain passwords, so that none of
// them pays for it: 0.6 ms of CPU and more for each user of the file. It returns
// when that is done or ctx ends; clients are served meanwhile.
func (a *Authenticator) Derive(ctx context.Context) {
	asksForProof := func(r rule) bool { return r.method == methodSCRAM }
	if slices.ContainsFunc(a.rules, asksForProof) {
		a.users.deriveAll(ctx)
	}
}

// deriveAll makes the verifiers of all plain passwords, or ends with ctx. Until
// it is through, each exchange of such a user makes its own, and so does each
// with a mock: were they kept one by one, the time of an answer would tell
// names of the file from others.
func (u *Users) deriveAll(ctx context.Context) {
	if u == nil || u.derived.Load() {
		return
	}
	for _, e := range u.plain {
		if ctx.Err() != nil {
			return
		}
		v := u.derive(e)
		e.made = &v
	}
	u.derived.Store(true)
}
