package auth

import (
	"cmp"
	"encoding/hex"
	"maps"
	"slices"
)

// shape is what a SCRAM exchange shows of a verifier to whoever names a user,
// before any proof.
type shape struct {
	iterations int
	saltLen    int // bytes
}

// ownShape is that of verifiers made here, unless most of the file's differ.
var ownShape = shape{defaultIterations, saltLen}

// commonShape is the shape of most verifiers that exchanges would show: those
// of the file and, for plain passwords, ours. Whoever is not in the file is
// shown it too, so that it tells nothing of most users. Where two shapes are as
// common, the dearer is taken.
func commonShape(entries map[string]*entry) shape {
	count := map[shape]int{ownShape: 0}
	for _, e := range entries {
		switch v := e.creds.verifier; e.creds.kind {
		case secretVerifier:
			count[shape{v.iterations, len(v.salt)}]++
		case secretPlain:
			count[ownShape]++
		}
	}
	return mostCommon(count)
}

func mostCommon(count map[shape]int) shape {
	return slices.MaxFunc(slices.Collect(maps.Keys(count)), func(a, b shape) int {
		return cmp.Or(cmp.Compare(count[a], count[b]), cmp.Compare(a.iterations, b.iterations), cmp.Compare(a.saltLen, b.saltLen))
	})
}

// commonKind is the kind of secret that most entries have.
func commonKind(entries map[string]*entry) secretKind {
	var count [secretKeys + 1]int
	for _, e := range entries {
		count[e.creds.kind]++
	}
	most := secretPlain
	for _, k := range []secretKind{secretMD5, secretVerifier} {
		if count[k] > count[most] {
			most = k
		}
	}
	return most
}

// mockEntry has a random secret that nobody knows.
func (u *Users) mockEntry(name string) *entry {
	secret := processKey.mac("secret " + name)
	text := hex.EncodeToString(secret[:])
	e := &entry{name: name, mock: true, verifier: func() verifier { return u.mockVerifier(name) }}
	switch u.mocked {
	case secretVerifier:
		e.creds = Credentials{kind: secretVerifier, verifier: u.mockVerifier(name)}
	case secretMD5:
		e.creds = Credentials{kind: secretMD5, secret: md5Secret(name, text)}
	default:
		e.creds = Password(text)
	}
	return e
}

// mockVerifier has keys that no password leads to. Making it costs as much as
// the verifier of most users of the file costs at this time.
func (u *Users) mockVerifier(name string) verifier {
	v := verifier{
		salt: saltOf(name, u.shape.saltLen), iterations: u.shape.iterations,
		storedKey: processKey.mac("stored " + name), serverKey: processKey.mac("server " + name),
	}
	if u.mocked == secretPlain && !u.derived.Load() {
		deriveKeys(name, v.salt, v.iterations)
	}
	return v
}

// saltOf is the salt of a name for as long as the process lives: that of a user
// who is asked for again does not change, whether there is one or not.
func saltOf(name string, n int) string {
	var salt []byte
	for block := byte(0); len(salt) < n; block++ {
		sum := processKey.mac("salt " + string(block) + name)
		salt = append(salt, sum[:]...)
	}
	return string(salt[:n])
}
