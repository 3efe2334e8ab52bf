package auth

import (
	"sort"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// saslPrep brings a password into the form that SCRAM hashes (RFC 4013, on the
// Unicode 3.2 tables of RFC 3454).
//
// Like PostgreSQL (src/common/saslprep.c) it takes ASCII as it is, looks for
// prohibited and right-to-left characters before the normalisation and not
// after it, and gives back the raw bytes when the password breaks the rules:
// such passwords work as long as both ends fall back alike.
func saslPrep(password string) string {
	if isASCII(password) || !utf8.ValidString(password) {
		return password
	}
	mapped := prepMap(password)
	if len(mapped) == 0 || !prepAllowed(mapped) {
		return password
	}
	return norm.NFKC.String(string(mapped))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// prepMap is the mapping step. U+200B is in both tables; PostgreSQL makes it a space.
func prepMap(s string) []rune {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		switch {
		case inTable(prepSpace, r):
			out = append(out, ' ')
		case !inTable(prepNothing, r):
			out = append(out, r)
		}
	}
	return out
}

// prepAllowed is the prohibition step and the bidirectional one (RFC 3454,
// section 6); s is not empty.
func prepAllowed(s []rune) bool {
	left, right := false, false
	for _, r := range s {
		if inTable(prepForbidden, r) {
			return false
		}
		left = left || inTable(prepLeftToRight, r)
		right = right || inTable(prepRightToLeft, r)
	}
	if !right {
		return true
	}
	return !left && inTable(prepRightToLeft, s[0]) && inTable(prepRightToLeft, s[len(s)-1])
}

// inTable looks r up in a table of ordered pairs first, last.
func inTable(table []rune, r rune) bool {
	i := sort.Search(len(table)/2, func(i int) bool { return table[2*i+1] >= r })
	return i < len(table)/2 && table[2*i] <= r
}
