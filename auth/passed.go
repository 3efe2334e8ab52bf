package auth

// Passed is a Credentials in a form that another process of the same user can be given,
// which takes this one's place. The secret is in it as it is: it is for a socket between
// the two, and for nothing that is kept or shown.
type Passed struct {
	Kind       byte
	Secret     string
	Salt       string
	Iterations int
	Stored     [32]byte
	Server     [32]byte
	Client     [32]byte
}

// Pass is c for another process.
func (c Credentials) Pass() Passed {
	v := c.verifier
	return Passed{byte(c.kind), c.secret, v.salt, v.iterations, v.storedKey, v.serverKey, c.clientKey}
}

// Credentials are those that were passed.
func (p Passed) Credentials() Credentials {
	return Credentials{
		kind: secretKind(p.Kind), secret: p.Secret, clientKey: p.Client,
		verifier: verifier{salt: p.Salt, iterations: p.Iterations, storedKey: p.Stored, serverKey: p.Server},
	}
}

// String keeps what is passed from being printed.
func (p Passed) String() string { return p.Credentials().String() }

// GoString keeps %#v from it.
func (p Passed) GoString() string { return p.Credentials().GoString() }
