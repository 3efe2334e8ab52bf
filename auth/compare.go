package auth

// Better reports whether c opens servers that o does not: a password answers
// whatever a server asks for, a hash or a captured key one method each, a
// verifier alone and nothing at all none.
func (c Credentials) Better(o Credentials) bool { return c.rank() > o.rank() }

func (c Credentials) rank() int {
	switch c.kind {
	case secretPlain:
		return 2
	case secretMD5, secretKeys:
		return 1
	}
	return 0
}

// Fingerprint tells Credentials apart, within this process, for whoever must
// not keep them: no secret can be had from it.
func (c Credentials) Fingerprint() [32]byte {
	text := "fingerprint " + string(rune('0'+c.kind)) + string(c.clientKey[:]) + string(c.verifier.storedKey[:]) + c.verifier.salt + c.secret
	return processKey.mac(text)
}
