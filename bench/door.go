package main

import (
	"fmt"
	"sync"

	"portero/auth"
)

// password is that of the role where clients prove themselves.
const password = "bench"

// verifier is of that, with PostgreSQL's default of iterations. The salt is always the same one.
var verifier = sync.OnceValue(func() string { return auth.Verifier(password, "portero's bench!", 4096) })

// door is how clients get into a proxy.
type door struct {
	encrypted bool // by TLS; else in the clear
	scram     bool // they prove themselves by SCRAM-SHA-256; else they are trusted
}

// doors is in the order of the tables.
var doors = []door{{}, {encrypted: true}, {scram: true}, {encrypted: true, scram: true}}

func (d door) String() string {
	text := "trust"
	if d.scram {
		text = "SCRAM"
	}
	if d.encrypted {
		return text + ", TLS"
	}
	return text + ", plain"
}

// method is the door's way to prove a client, by the name that both proxies have for it.
func (d door) method() string {
	if d.scram {
		return "scram-sha-256"
	}
	return "trust"
}

// conninfo is what pgbench gives as the name of the database.
func (d door) conninfo() string {
	mode := "disable"
	if d.encrypted {
		mode = "require"
	}
	return fmt.Sprintf("dbname=%s sslmode=%s password=%s", dbName, mode, password)
}

// userlist is the door's file of users. It has the verifier and not the password, of which a
// proxy would have to make one, some at each login.
func (d door) userlist() string {
	if d.scram {
		return fmt.Sprintf("%q %q\n", dbUser, verifier())
	}
	return userlist
}

// The names of the files of a door, in the directory of its chain.
const (
	certFile = "tls.crt"
	keyFile  = "tls.key"
)

// furnish writes the files of a chain's door and returns the path of that of its users.
func (c *chain) furnish() (users string, err error) {
	if c.door.encrypted {
		cert, key, err := selfSigned()
		if err != nil {
			return "", err
		}
		if _, err := c.file(certFile, cert); err != nil {
			return "", err
		}
		if _, err := c.file(keyFile, key); err != nil {
			return "", err
		}
	}
	return c.file("userlist.txt", c.door.userlist())
}

// pgbouncer is the door in PgBouncer's settings, for a chain in a directory.
func (d door) pgbouncer(dir string) string {
	text := fmt.Sprintf("auth_type = %s\n", d.method())
	if d.encrypted {
		text += fmt.Sprintf("client_tls_sslmode = allow\nclient_tls_cert_file = %s/%s\nclient_tls_key_file = %s/%s\n", dir, certFile, dir, keyFile)
	}
	return text
}

// listener is the door in Portero's settings of a listener.
func (d door) listener() string {
	if !d.encrypted {
		return ""
	}
	return fmt.Sprintf("tls = { cert = %q, key = %q, mode = \"prefer\" }", certFile, keyFile)
}
