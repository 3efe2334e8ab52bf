package config

// checkAuth leaves to package auth what the rules say, and whom they ask for a
// password.
func (c checker) checkAuth() {
	a := &c.cfg.Auth
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
