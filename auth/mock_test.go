package auth

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"portero/wire"
)

// file makes a user file of n verifiers of each shape, and of plain passwords.
func file(plain int, shapes map[shape]int) string {
	var lines []string
	for i := range plain {
		lines = append(lines, fmt.Sprintf(`"plain%d" "secret"`, i))
	}
	for s, n := range shapes {
		for i := range n {
			lines = append(lines, fmt.Sprintf(`"v%d.%d.%d" "%s"`, s.iterations, s.saltLen, i, s.verifier()))
		}
	}
	return strings.Join(lines, "\n")
}

// verifier is one that no password fits.
func (s shape) verifier() string {
	key := scramKey{1}.encode()
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", s.iterations, b64.EncodeToString([]byte(strings.Repeat("s", s.saltLen))), key, key)
}

func TestUnknownUsersShowTheVerifierThatMostHave(t *testing.T) {
	dear, long := shape{8192, 16}, shape{4096, 33}
	for _, c := range []struct {
		name   string
		plain  int
		others map[shape]int
		want   shape
	}{
		{"an empty file", 0, nil, ownShape},
		{"plain passwords", 3, nil, ownShape},
		{"mostly 8192", 2, map[shape]int{dear: 5, long: 3, {4096, 16}: 2}, dear},
		{"mostly long salts", 2, map[shape]int{dear: 4, long: 5}, long},
		{"plain passwords count as 4096", 3, map[shape]int{dear: 4, {4096, 16}: 2}, ownShape},
		{"as many of both", 2, map[shape]int{dear: 2}, dear},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDoor(t, "scram-sha-256", file(c.plain, c.others)+"\n\"hashed\" \""+md5Secret("hashed", "x")+"\"")
			seen := make(map[string]string)
			for _, name := range []string{"nobody", "nobody else", "hashed", "plain0"} {
				got := challengeTo(t, d, name)
				if got.iterations != c.want.iterations || len(got.salt) != c.want.saltLen {
					t.Errorf("%s: %d iterations and %d bytes of salt, want %v", name, got.iterations, len(got.salt), c.want)
				}
				if again := challengeTo(t, d, name); again.salt != got.salt {
					t.Errorf("%s: another salt at the next try", name)
				}
				if other := seen[got.salt]; other != "" {
					t.Errorf("%s has the salt of %s", name, other)
				}
				seen[got.salt] = name
			}
		})
	}
}

func TestSaltDoesNotTellThatAUserIsPutIntoTheFile(t *testing.T) {
	without, with := newDoor(t, "scram-sha-256", ""), newDoor(t, "scram-sha-256", `"alice" "secret"`)
	a, b := challengeTo(t, without, "alice"), challengeTo(t, with, "alice")
	if a.salt != b.salt || a.iterations != b.iterations {
		t.Error("the challenge is another one")
	}
}

// challengeTo is what the server's half says to a client that names a user.
func challengeTo(t *testing.T, d door, user string) (m serverFirst) {
	t.Helper()
	let(t, d, func(conn net.Conn) error {
		tap := &tap{ReadWriter: conn}
		if _, err := Login(wire.NewStream(tap), LoginParams{User: user, Credentials: Password("wrong")}); err == nil {
			t.Errorf("%s logs in with a wrong password", user)
		}
		i := strings.Index(string(tap.in), "r=")
		f, _, _ := wire.Next(tap.in[i-9:])
		var err error
		if m, err = parseServerFirst(string(f.Body[4:])); err != nil {
			t.Error(err)
		}
		return err
	})
	return m
}

// TestTimeDoesNotTellUnknownUsersFromKnownOnes compares the work behind a
// challenge, with verifiers dear enough for a clock: the least of several
// tries is compared with what one derivation takes.
func TestTimeDoesNotTellUnknownUsersFromKnownOnes(t *testing.T) {
	dear := shape{30_000, 16}
	for text, names := range map[string][2]string{
		file(3, nil):                        {"plain0", "nobody"},
		file(1, map[shape]int{dear: 3}):     {"v30000.16.0", "nobody"},
		`"x" "` + md5Secret("x", "y") + `"`: {"x", "nobody"},
	} {
		u, err := readUsers(t, text)
		if err != nil {
			t.Fatal(err)
		}
		u.shape = dear
		for _, through := range []bool{false, true} {
			unit, known, unknown := time.Hour, time.Hour, time.Hour
			for range 5 { // in turns, so that a busy machine slows all three
				unit = min(unit, took(func() { deriveKeys("x", "y", dear.iterations) }))
				known = min(known, took(func() { u.find(names[0]).scramVerifier() }))
				unknown = min(unknown, took(func() { u.find(names[1]).scramVerifier() }))
			}
			if (known > unit/10) != (unknown > unit/10) {
				t.Errorf("%s, all derived %v: %v, and %v for nobody; a derivation takes %v", names[0], through, known, unknown, unit)
			}
			if through && known > unit/10 {
				t.Errorf("%s: a login still derives: %v of %v", names[0], known, unit)
			}
			u.deriveAll(t.Context())
		}
	}
}

func took(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

func TestDeriveEndsWithItsContextAndLeavesWhatIsNotDone(t *testing.T) {
	u, err := readUsers(t, file(3, nil))
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	u.deriveAll(over)
	if u.derived.Load() {
		t.Error("said to be done")
	}
	if v, usable := u.find("plain1").scramVerifier(); !usable || v.storedKey != deriveKeys("secret", v.salt, v.iterations).stored {
		t.Error("a user cannot log in")
	}
}

func TestDeriveIsForMethodsThatNeedIt(t *testing.T) {
	for method, want := range map[string]bool{"scram-sha-256": true, "password": false, "md5": false} {
		d := newDoor(t, method, file(2, nil))
		d.auth.Derive(t.Context())
		if got := d.auth.users.derived.Load(); got != want {
			t.Errorf("%s: derived %v", method, got)
		}
	}
	oneMethod(t, "trust", nil).Derive(t.Context())
	rules := mustReadHBA(t, "host all all all md5\nlocal all all scram-sha-256")
	rules.users = newDoor(t, "password", file(2, nil)).auth.users
	if rules.Derive(t.Context()); !rules.users.derived.Load() {
		t.Error("one rule of SCRAM among others: not derived")
	}
}
