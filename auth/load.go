package auth

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"portero/config"
)

// Load makes the Authenticator of a configuration, of the files that it names
// too. Their faults and those of the rules go to r; if there are any, nobody
// can rely on what is returned. It blocks on the file system only.
func Load(cfg *config.Config, r *config.Report) *Authenticator {
	l := &loader{cfg: cfg, report: r}
	rules := l.rules()
	a := &Authenticator{maps: l.maps(), users: l.users(), asked: make(chan struct{}, maxAsked), interfaces: net.InterfaceAddrs}
	a.lookups = newLookups(&cfg.Auth, a.users)
	l.checkLookups(a.lookups)
	l.checkMetadata(a)
	for _, b := range rules {
		if !b.faulty {
			l.check(b, a)
		}
		a.rules = append(a.rules, b.rule)
	}
	return a
}

// loader reads what [auth] names.
type loader struct {
	cfg    *config.Config
	report *config.Report
}

func (l *loader) rules() []*builder {
	c := &l.cfg.Auth
	switch {
	case c.HBAFile != "":
		return l.hbaFile(c.HBAFile)
	case len(c.Rules) > 0:
		return l.written()
	}
	r, known := ruleForAll(c.Method)
	if !known {
		return nil // which config has said
	}
	b := &builder{rule: r}
	b.report = func(part, format string, args ...any) { l.report.Key("auth."+cmp.Or(part, "method"), format, args...) }
	if b.setKnownMethod(r.method); c.Method == "ldap" || c.Method == "pam" { // else config has said what is wrong with them
		b.setOptions("options", c.Options)
	}
	return []*builder{b}
}

// written is the rules of [[auth.rule]].
func (l *loader) written() (rules []*builder) {
	for i := range l.cfg.Auth.Rules {
		key := fmt.Sprintf("auth.rule[%d]", i+1)
		rules = append(rules, writtenRule(&l.cfg.Auth.Rules[i], key, l.report.Key))
	}
	return rules
}

// hbaFile is the rules of a pg_hba.conf.
func (l *loader) hbaFile(name string) (rules []*builder) {
	records, ok := l.records("auth.hba_file", name)
	for _, r := range records {
		rules = append(rules, hbaRule(r, func(format string, args ...any) { l.report.File(r.file, r.line, format, args...) }))
	}
	if ok && len(rules) == 0 {
		l.report.Key("auth.hba_file", "%s contains no entries: nobody could log in", name)
	}
	return rules
}

func (l *loader) maps() (maps identMaps) {
	name := l.cfg.Auth.IdentFile
	if name == "" {
		return nil
	}
	records, _ := l.records("auth.ident_file", name)
	for _, r := range records {
		line, ok := newIdentLine(r, func(format string, args ...any) { l.report.File(r.file, r.line, format, args...) })
		if ok {
			maps = append(maps, line)
		}
	}
	return maps
}

// records reads a file of PostgreSQL's, which a key names. ok is false if
// something is wrong with it.
func (l *loader) records(key, name string) (all []record, ok bool) {
	text, err := l.report.ReadFile(name)
	if err != nil {
		l.report.Key(key, "cannot read %s: %s", name, err)
		return nil, false
	}
	f := &recordFiles{read: l.report.ReadFile, list: filesIn, fault: l.report.File}
	all = f.records(name, string(text))
	return all, f.count == 0
}

// filesIn is the names of the files in a folder.
func filesIn(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, at.Err
	}
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// users is the user file, nil if there is none. That it cannot be read, config
// has said.
func (l *loader) users() *Users {
	name := l.cfg.Auth.Users
	if name == "" {
		return nil
	}
	text, err := l.report.ReadFile(name)
	if err != nil {
		l.report.Key("auth.users", "cannot read %s: %s", name, err)
		return nil
	}
	return parseUsers(string(text), func(line int, err error) { l.report.File(name, line, "%s", err) })
}

// check says what a rule asks for and the rest of the configuration does not
// give.
func (l *loader) check(b *builder, a *Authenticator) {
	r := &b.rule
	if r.needsUsers() && l.cfg.Auth.Users == "" && l.cfg.Auth.QueryUser == "" && r.place != "" { // of the one method, config has said so
		l.report.Key("auth.users", "must be given: %s asks for a password", r.place)
	}
	if r.needsCert() && !l.asksForCertificates() {
		b.fault(certPart(r), "needs a certificate, and no listener has a client_ca to check one by")
	}
	switch {
	case r.usermap == "":
	case l.cfg.Auth.IdentFile == "":
		b.fault("map", "map %q: auth.ident_file must be given", r.usermap)
	case !a.maps.has(r.usermap):
		b.fault("map", "there is no map %q in %s", r.usermap, l.cfg.Auth.IdentFile)
	}
}

// checkLookups says what nobody could log in to a server with.
func (l *loader) checkLookups(k *lookups) {
	if k != nil && k.credentials.kind == secretVerifier {
		l.report.Key("auth.query_user", "%s has a SCRAM verifier in %s, which opens no server: give its password there", k.user, l.cfg.Auth.Users)
	}
}

// checkMetadata says the same of who asks Citus coordinators.
func (l *loader) checkMetadata(a *Authenticator) {
	for i := range l.cfg.Clusters {
		m := &l.cfg.Clusters[i].Metadata
		if m.User != "" && m.Password == "" && a.Stored(m.User).kind == secretVerifier {
			l.report.Key(fmt.Sprintf("cluster[%d].metadata.user", i+1), "%s has a SCRAM verifier in %s, which opens no server: give its password", m.User, l.cfg.Auth.Users)
		}
	}
}

// asksForCertificates says whether some listener does, or may do: what could
// not be read may have been meant to.
func (l *loader) asksForCertificates() bool {
	for i := range l.cfg.Listeners {
		if l.cfg.Listeners[i].TLS.ClientCA != "" || l.report.Unread(fmt.Sprintf("listener[%d].tls.client_ca", i+1)) {
			return true
		}
	}
	return false
}

func certPart(r *rule) string {
	if r.method == methodCert {
		return "method"
	}
	return "clientcert"
}
