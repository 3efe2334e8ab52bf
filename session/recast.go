package session

import "bytes"

// Whom a session acts as must hold whichever server it gets: a client that has
// given up rights must not have them back in its next transaction. PostgreSQL
// reports session_authorization and is_superuser, but not role. So behind a
// transaction that may have changed the role the server is asked for it, and it
// becomes one of the client's settings. That the transaction has failed, or was
// rolled back to a savepoint, or that the role was set with SET LOCAL, need not be
// understood: the server's answer is the truth.
//
// Who acts as another user altogether (SET SESSION AUTHORIZATION, which only a
// superuser may) keeps its server.

// Recast reports whether the server is to be asked for the role before anybody
// else may have it.
func (s *Session) Recast() bool { return s.recast }

// ActsAs takes in the role that the server has told.
func (s *Session) ActsAs(name string) {
	s.recast, s.adrift = false, false
	if s.isDefault(role, name) {
		s.settings = s.settings.Without(role)
	} else {
		s.settings = s.settings.With(role, name)
	}
	s.kept = s.settings
}

// Bound reports whether no other server can take the place of this one: on
// another, the client might act as somebody with more rights.
func (s *Session) Bound() bool { return s.foreign || s.adrift }

// mayRecast reports whether a statement of a kind may change the role.
func mayRecast(k kind) bool { return k == kindRole || k == kindUnknown }

// ofSet is SET and RESET: what they set is behind LOCAL and SESSION, if those are there.
func ofSet(rest []byte) kind {
	word, after := firstWord(rest)
	for is(word, "SESSION") || is(word, "LOCAL") {
		word, after = firstWord(after)
	}
	if is(word, `"`) {
		word, _ = firstWord(after)
	}
	switch {
	case is(word, "ROLE"), is(word, "AUTHORIZATION"), is(word, "SESSION_AUTHORIZATION"), is(word, "U"): // U&"..."
		return kindRole
	}
	return kindOther
}

// setsByFunction reports whether a statement calls set_config, and not plainly
// for another setting than the role.
func setsByFunction(sql []byte) bool {
	for {
		i := bytes.Index(sql, setConfig)
		if i < 0 {
			if i = bytes.Index(sql, setConfigUpper); i < 0 {
				return false
			}
		}
		sql = sql[i+len(setConfig):]
		if !namesAnother(sql) {
			return true
		}
	}
}

var (
	setConfig      = []byte("set_config")
	setConfigUpper = []byte("SET_CONFIG")
)

// namesAnother reports whether what follows set_config is a literal name, and not
// that of the role or the user.
func namesAnother(rest []byte) bool {
	word, rest := firstWord(rest)
	if !is(word, "(") {
		return false
	}
	rest = skipBlank(rest)
	if len(rest) == 0 || rest[0] != '\'' {
		return false
	}
	end := bytes.IndexByte(rest[1:], '\'')
	if end < 0 {
		return false
	}
	name := rest[1 : 1+end]
	return !is(name, "ROLE") && !is(name, "SESSION_AUTHORIZATION")
}
