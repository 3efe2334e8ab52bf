package config

// checkAuth leaves to package auth what the rules say, and whom they ask for a
// password.
func (c checker) checkAuth() {
	a := &c.cfg.Auth
	c.notEmpty("auth.hba_file", a.HBAFile)
	c.notEmpty("auth.ident_file", a.IdentFile)
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
	if c.given["auth.method"] {
		c.fault("auth.method", "has no use beside rules: take it out, or the rules")
	}
}

func (c checker) checkMethod(a *Auth) {
	c.oneOf("auth.method", a.Method, authTrust, "password", "md5", authSCRAM, authCert)
	if a.Users == "" && a.Method != authTrust && a.Method != authCert {
		c.fault("auth.users", "must be given with method %s", a.Method)
	}
	if a.IdentFile != "" {
		c.fault("auth.ident_file", "has no use without rules: auth.rule or auth.hba_file")
	}
}
