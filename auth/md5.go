package auth

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

// md5Secret is what PostgreSQL stores for md5 passwords: "md5" and the digest
// of password and user name, in hex (PostgreSQL documentation, catalog pg_authid).
func md5Secret(user, password string) string { return md5Hex(password, user) }

// md5Answer is what a client sends for a stored secret and the server's salt
// (PostgreSQL documentation, "Message Flow", AuthenticationMD5Password).
func md5Answer(secret string, salt [4]byte) string {
	return md5Hex(strings.TrimPrefix(secret, "md5"), string(salt[:]))
}

func md5Hex(parts ...string) string {
	sum := md5.Sum([]byte(strings.Join(parts, "")))
	return "md5" + hex.EncodeToString(sum[:])
}

// isMD5Secret tells a stored md5 secret from a plain password the way
// PostgreSQL does (get_password_type): lower-case hex and nothing else.
func isMD5Secret(s string) bool {
	hexed, found := strings.CutPrefix(s, "md5")
	return found && len(hexed) == 32 && strings.Trim(hexed, "0123456789abcdef") == ""
}

// equalSecret compares in a time that does not depend on either text's content;
// hashing first hides the length too.
func equalSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
