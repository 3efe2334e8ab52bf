package auth

import (
	"errors"
	"fmt"

	"portero/wire"
)

// Ruling is what the rules mean for a client, as far as that is known before it has proved
// anything. It holds no secret.
type Ruling struct {
	Skipped []Skipped `json:"skipped,omitempty"`  // the rules before it, which are for others
	Place   string    `json:"place,omitempty"`    // of the rule: FILE:LINE, or auth.rule[2]; "" = the one method of [auth], or there is none
	Rule    string    `json:"rule,omitempty"`     // its words; "" = no rule is for the client
	Method  string    `json:"method,omitempty"`   // how the client has to prove itself
	UserMap string    `json:"user_map,omitempty"` // of names, for methods cert and peer
	Secret  string    `json:"secret,omitempty"`   // of what kind the user's is, and where
	Server  string    `json:"server,omitempty"`   // what its servers would be logged in to with
	Needs   []string  `json:"needs,omitempty"`    // what the client has to have or to prove

	Refused *wire.Error `json:"-"` // it cannot get in; nil: it does if it proves itself
	Why     string      `json:"why,omitempty"`
}

// Skipped is a rule that is for others.
type Skipped struct {
	Place string `json:"place"`
	Rule  string `json:"rule"`
	Why   string `json:"why"`
}

// Read says what the rules mean for a client, by the same steps as Client goes. It asks
// nobody, the client neither: of a certificate it only matters that there is one.
func (a *Authenticator) Read(c *Arrival) Ruling {
	var d Ruling
	r, err := a.first(c, func(r *rule, differs part) {
		d.Skipped = append(d.Skipped, Skipped{Place: r.place, Rule: r.String(), Why: r.objection(differs, c)})
	})
	switch {
	case err != nil:
		d.refuse(err)
		return d
	case r == nil:
		d.Refused = noEntry(c)
		return d
	}
	d.Place, d.Rule, d.Method, d.UserMap = r.place, r.String(), methodNames[r.method], r.usermap
	d.certificate(r, c)
	if d.Refused == nil {
		a.readMethod(&d, r, c)
	}
	return d
}

func (d *Ruling) refuse(err error) {
	errors.As(err, &d.Refused)
	d.Why = err.Error()
}

// certificate says what a rule asks of the client's certificate.
func (d *Ruling) certificate(r *rule, c *Arrival) {
	switch {
	case !r.needsCert():
		return
	case c.Certificate == nil:
		d.Refused, d.Why = noAuthority(), "the rule asks for a certificate, and the listener has no client_ca"
		return
	case r.method != methodCert && r.cert != certUser:
		return
	}
	d.Needs = append(d.Needs, fmt.Sprintf("a certificate whose %s is %s", r.certName, d.namesFor(c)))
}

// namesFor is whose name a certificate or a process has to have.
func (d *Ruling) namesFor(c *Arrival) string {
	if d.UserMap != "" {
		return fmt.Sprintf("one that map %s has for \"%s\"", d.UserMap, c.User)
	}
	return "\"" + c.User + "\""
}

// readMethod is prove, and stored or ask behind it, in words.
func (a *Authenticator) readMethod(d *Ruling, r *rule, c *Arrival) {
	switch r.method {
	case methodTrust, methodCert:
		a.readStored(d, c)
	case methodPeer:
		if d.UserMap == "" {
			d.Needs = append(d.Needs, "to be run by system user "+d.namesFor(c))
		} else {
			d.Needs = append(d.Needs, "to be run by a system user whose name is "+d.namesFor(c))
		}
		a.readStored(d, c)
	case methodLDAP, methodPAM:
		who := "the LDAP server"
		if r.method == methodPAM {
			who = "PAM (service " + r.service + ")"
		}
		d.Needs = append(d.Needs, "its password, which "+who+" checks")
		d.Secret, d.Server = "checked by "+who, "the password that the client sends"
	case methodPassword, methodMD5, methodSCRAM:
		a.readSecret(d, r, c)
	default:
		d.Refused = rejected(c)
	}
}

// readStored is for those who prove themselves without a secret.
func (a *Authenticator) readStored(d *Ruling, c *Arrival) {
	switch e := a.users.find(c.User); {
	case !a.isKnown(c.User) && c.Home != nil:
		d.Secret, d.Server = a.lookups.words(), "what auth_query answers"
	case e.mock || !a.isKnown(c.User):
		d.Secret, d.Server = "none in the user file", ownNothing
	default:
		d.Secret, d.Server = e.inFile(), e.creds.opens(methodTrust)
	}
}

const ownNothing = "nothing: the server must ask for no proof"

// readSecret is for those who are asked for a password.
func (a *Authenticator) readSecret(d *Ruling, r *rule, c *Arrival) {
	d.Needs = append(d.Needs, "its password")
	if !a.isKnown(c.User) {
		if c.Home != nil {
			d.Secret, d.Server = a.lookups.words(), "what auth_query answers, or the client proves"
			return
		}
		d.Refused, d.Why = r.failed(c), "no route is for it, and so there is nobody to ask for the user"
		return
	}
	e := a.users.find(c.User)
	asked := r.asksFor(e)
	switch {
	case e.mock:
		d.Secret, d.Refused, d.Why = "none in the user file", r.failed(c), "user \""+c.User+"\" has no secret in the user file"
	case asked == methodSCRAM && !e.provesBySCRAM():
		d.Secret, d.Refused, d.Why = e.inFile(), r.failed(c), "the user file has an md5 hash, which no proof by SCRAM can be checked with"
	default:
		d.Secret, d.Server = e.inFile(), e.creds.opens(asked)
	}
}

func (e *entry) inFile() string { return e.creds.kind.String() + " in the user file" }

// Opens is what servers are logged in to with as a user that no client comes as: Stored, in words.
func (a *Authenticator) Opens(user string) string { return a.Stored(user).opens(methodTrust) }

// opens is what a server is logged in to with for a client that was let in by a method: what
// askPassword, askMD5, askSCRAM and stored return.
func (c Credentials) opens(by method) string {
	switch {
	case by == methodPassword:
		return "the password that the client sends"
	case c.kind == secretVerifier && by == methodSCRAM:
		return "the ClientKey of the client's own login"
	case c.kind == secretVerifier:
		return "nothing: a SCRAM verifier opens no server"
	case c.kind == secretNone:
		return ownNothing
	}
	return "the " + c.kind.String() + " of the user file"
}

func (l *lookups) words() string {
	where := "the database of its route"
	if l.database != "" {
		where = "database \"" + l.database + "\""
	}
	return fmt.Sprintf("none in the user file: looked up by auth_query, as \"%s\" in %s", l.user, where)
}
