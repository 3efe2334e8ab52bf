package auth

import (
	"errors"
	"slices"
	"strings"
)

type nameKind byte

const (
	oneName     nameKind = iota
	anyName              // all
	sameUser             // a database that has the user's name
	replicating          // replication: no database, but those who replicate whole clusters
	likeName             // /regular expression
)

// name is an item of a rule's list of databases or users.
type name struct {
	kind    nameKind
	text    string // as written, without quotes
	pattern pattern
}

// names is such a list.
type names []name

// hold says whether a client's database or user is in the list.
func (list names) hold(s, user string) bool {
	return slices.ContainsFunc(list, func(n name) bool { return n.is(s, user) })
}

// holdDatabase is hold for databases. Who replicates whole clusters is in none, and only in a
// list with the word for that; who replicates a database is as all others (PostgreSQL
// documentation, "The pg_hba.conf File"; check_db in hba.c).
func (list names) holdDatabase(s, user string, physical bool) bool {
	if physical {
		return slices.ContainsFunc(list, func(n name) bool { return n.kind == replicating })
	}
	return list.hold(s, user)
}

func (n name) is(s, user string) bool {
	switch n.kind {
	case oneName:
		return s == n.text
	case anyName:
		return true
	case sameUser:
		return s == user
	case likeName:
		return n.pattern.matches(s)
	}
	return false
}

// A word that begins with a slash is a regular expression, quoted or not, as
// in PostgreSQL 16; up to 15 it was a name.

func databaseName(w word) (name, error) {
	switch {
	case w.is("all"):
		return name{kind: anyName, text: w.text}, nil
	case w.is("sameuser"):
		return name{kind: sameUser, text: w.text}, nil
	case w.is("samerole"), w.is("samegroup"):
		return name{}, errors.New(w.text + " is not supported here: only the server knows who is a member of which role")
	case w.is("replication"):
		return name{kind: replicating, text: w.text}, nil
	}
	return plainName(w)
}

func userName(w word) (name, error) {
	switch {
	case w.is("all"):
		return name{kind: anyName, text: w.text}, nil
	case !w.quoted && strings.HasPrefix(w.text, "+"):
		return name{}, errors.New(w.text + " is not supported here: only the server knows who is a member of which role")
	}
	return plainName(w)
}

func plainName(w word) (name, error) {
	text, like := strings.CutPrefix(w.text, "/")
	if !like {
		return name{kind: oneName, text: w.text}, nil
	}
	p, err := newPattern(text)
	return name{kind: likeName, text: w.text, pattern: p}, err
}
