package config

import "testing"

func TestFaultsOfLookupsAndOfMethodsThatAskOthers(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"a user to ask by", "auth.query_user = 'asker'", nil},
		{"no name in the query", "auth = {query_user = 'asker', query = 'select 1', method = 'md5'}", []string{"1: auth.query: must have a $1 in it, which stands for the user's name"}},
		{"no query", "auth = {query_user = 'asker', query = ' '}", []string{"1: auth.query: must not be empty"}},
		{"nobody to ask by", "auth = {query_user = ''}", []string{"1: auth.query_user: must not be empty: give it a value or leave it out"}},
		{"a query of nobody", "auth = {method = 'trust', query = 'select $1, 1'}", []string{"1: auth.query: has no use without query_user"}},
		{"a database of nobody", "auth = {method = 'trust', query_database = 'app'}", []string{"1: auth.query_database: has no use without query_user"}},
		{"an age below 0", "auth = {query_user = 'asker', query_max_age = '-1s'}", []string{"1: auth.query_max_age: must be at least 0"}},
		{"options of LDAP", "auth = {method = 'ldap', options = ['ldapserver=a']}", nil},
		{"options of nobody", "auth = {method = 'trust', options = ['ldapserver=a']}", []string{"1: auth.options: are for methods ldap and pam, not for trust"}},
		{"options beside rules", "auth.options = ['ldapserver=a']\n[[auth.rule]]\ntype = 'local'\nmethod = 'trust'", []string{"1: auth.options: has no use beside rules: take it out, or the rules"}},
	})
}

func TestAUserFileIsNotNeededWhereOthersKnowTheUsers(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, src := range []string{"auth.query_user = 'asker'", "auth.method = 'ldap'", "auth.method = 'pam'"} {
		if got := mustLoad(t, src).Auth.Users; got != "" {
			t.Errorf("%s: %q", src, got)
		}
	}
	write(t, "userlist.txt", "")
	if got := mustLoad(t, "auth.query_user = 'asker'").Auth.Users; got != "userlist.txt" {
		t.Errorf("the one that is there: %q", got)
	}
}
