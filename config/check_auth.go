package config

import "strings"

// checkAuth leaves to package auth what the rules say, and whom they ask for a
// password.
func (c checker) checkAuth() {
	a := &c.cfg.Auth
	c.notEmpty("auth.hba_file", a.HBAFile)
	c.notEmpty("auth.ident_file", a.IdentFile)
	c.notEmpty("auth.query_user", a.QueryUser)
	c.checkQuery(a)
	for i := range a.Rules {
		c.notEmpty(childKey(itemKey("auth.rule", i), "address"), a.Rules[i].Address)
	}
	switch {
	case a.hasRules(), c.unread("auth.rule"), c.unread("auth.hba_file"):
		c.checkRuleSource(a)
	case c.unread("auth.method"): // perhaps trust, which needs no users
		return
	default:
		c.checkMethod(a)
	}
	if a.Users != "" {
		c.checkFile("auth.users", a.Users)
	}
}

// notEmpty says that what is given means nothing: it was to keep somebody out.
func (c checker) notEmpty(key, value string) {
	if value == "" && c.given[key] {
		c.fault(key, "must not be empty: give it a value or leave it out")
	}
}

// checkRuleSource says what would be ignored beside the rules.
func (c checker) checkRuleSource(a *Auth) {
	if a.HBAFile != "" && len(a.Rules) > 0 {
		c.fault("auth.hba_file", "cannot be given beside auth.rule: rules come from one place")
	}
	for _, key := range []string{"auth.method", "auth.options"} {
		if c.given[key] {
			c.fault(key, "has no use beside rules: take it out, or the rules")
		}
	}
}

func (c checker) checkMethod(a *Auth) {
	c.oneOf("auth.method", a.Method, authTrust, "password", "md5", authSCRAM, authCert, authLDAP, authPAM)
	if a.Users == "" && a.QueryUser == "" && a.Method != authTrust && a.Method != authCert && !a.asksOthers() {
		c.fault("auth.users", "must be given with method %s, or query_user", a.Method)
	}
	if len(a.Options) > 0 && !a.asksOthers() {
		c.fault("auth.options", "are for methods ldap and pam, not for %s", a.Method)
	}
	if a.IdentFile != "" {
		c.fault("auth.ident_file", "has no use without rules: auth.rule or auth.hba_file")
	}
}

// asksOthers says whether passwords are not checked here.
func (a *Auth) asksOthers() bool { return a.Method == authLDAP || a.Method == authPAM }

// checkQuery says what a lookup of users needs, and what is of no use without it.
func (c checker) checkQuery(a *Auth) {
	c.atLeast0("auth.query_max_age", a.QueryMaxAge)
	if a.QueryUser == "" {
		if a.Query != defaultQuery {
			c.fault("auth.query", "has no use without query_user")
		}
		if a.QueryDatabase != "" {
			c.fault("auth.query_database", "has no use without query_user")
		}
		return
	}
	if strings.TrimSpace(a.Query) == "" {
		c.fault("auth.query", "must not be empty")
	} else if !strings.Contains(a.Query, "$1") {
		c.fault("auth.query", "must have a $1 in it, which stands for the user's name")
	}
}
