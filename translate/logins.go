package translate

import (
	"slices"
	"strings"
)

// writeAuth writes how clients prove who they are.
func (b *builder) writeAuth() {
	t := b.doc.table("auth")
	if b.ini == nil {
		t.set(Place{}, "method", tomlString("scram-sha-256"), "HAProxy left it to PostgreSQL; Portero asks for passwords itself")
		t.set(Place{}, "users", tomlString("userlist.txt"), `"name" "password, md5... or SCRAM-SHA-256$..." on each line, as in pg_authid`)
		return
	}
	method, at, given := b.value("auth_type")
	b.writeMethod(t, strings.ToLower(method), at, given)
	b.writeAuthFiles(t, strings.ToLower(method))
	b.writeQuery(t)
}

func (b *builder) writeMethod(t *table, method string, at Place, given bool) {
	note := ""
	if !given {
		note = "PgBouncer's default"
	}
	switch method {
	case "hba": // its rules say it
		return
	case "any":
		method, note = "trust", "any: nobody is asked who they are; routes with server_user say who they are to the server"
	case "plain":
		method, note = "password", "plain"
	case "trust":
		note = "PgBouncer lets in those of its auth_file only"
		b.doc.remark(at, "auth_type trust: PgBouncer lets in those of its auth_file only, Portero everybody who gets to its listeners")
	}
	t.set(at, "method", tomlString(method), note)
	if method == "ldap" {
		options, at, given := b.value("auth_ldap_options")
		if !given {
			b.bad.add(at, "auth_type ldap needs auth_ldap_options")
		}
		t.set(at, "options", tomlList(splitOptions(options)), "")
	}
}

// splitOptions divides name=value pairs at blanks, but not in double quotes,
// which go away, as in a pg_hba.conf.
func splitOptions(text string) (options []string) {
	var b strings.Builder
	quoted := false
	for _, r := range text + " " {
		switch {
		case r == '"':
			quoted = !quoted
		case (r == ' ' || r == '\t') && !quoted:
			if b.Len() > 0 {
				options = append(options, b.String())
				b.Reset()
			}
		default:
			b.WriteRune(r)
		}
	}
	if b.Len() > 0 {
		options = append(options, b.String())
	}
	return options
}

func (b *builder) writeAuthFiles(t *table, method string) {
	if name, at, _ := b.value("auth_file"); name != "" {
		t.set(at, "users", tomlString(b.FileName(name)), "the file as it is")
	}
	for _, f := range []struct{ name, key string }{{"auth_hba_file", "hba_file"}, {"auth_ident_file", "ident_file"}} {
		name, at, _ := b.value(f.name)
		switch {
		case name == "":
		case method == "hba":
			t.set(at, f.key, tomlString(b.FileName(name)), "the file as it is")
		default:
			b.doc.remark(at, "%s: PgBouncer reads it with auth_type hba only", f.name)
		}
	}
	if name, _, _ := b.value("auth_hba_file"); method == "hba" && name == "" {
		_, at, _ := b.value("auth_type")
		b.bad.add(at, "auth_type hba needs auth_hba_file")
	}
}

// writeQuery writes auth_query, with who asks it. There is one for all databases.
func (b *builder) writeQuery(t *table) {
	query, queryAt, queryGiven := b.value("auth_query")
	user, at, _ := b.value("auth_user")
	user, at = b.commonly("auth_user", user, at)
	if user == "" {
		if queryGiven {
			b.doc.remark(queryAt, "auth_query: there is no auth_user, so that PgBouncer never asks it")
		}
		return
	}
	query, queryAt = b.commonly("auth_query", query, queryAt)
	t.set(queryAt, "query", tomlString(query), "")
	t.set(at, "query_user", tomlString(user), "")
	database, at, _ := b.value("auth_dbname")
	if database, at = b.commonly("auth_dbname", database, at); database != "" {
		t.set(at, "query_database", tomlString(database), "")
	}
}

// commonly is a parameter of the databases that is taken for all of them, or else
// the global value. Whom auth_user lets in is worth a remark where not all of the
// databases asked it.
func (b *builder) commonly(key, global string, at Place) (string, Place) {
	value, from := global, at
	for i := range b.databases {
		db := &b.databases[i]
		v, ok := db.params[key]
		switch {
		case !ok || v == value:
		case b.everyDatabaseHas(key, v):
			value, from = v, db.Place
		case key == "auth_user" && value == "":
			value, from = v, db.Place
			b.doc.remark(db.Place, "database %s: auth_user= is taken for all databases: Portero has one, [auth] query_user", db.name)
		default:
			b.doc.remark(db.Place, "database %s: %s= differs from what is taken for all databases: Portero has one", db.name, key)
		}
	}
	return value, from
}

func (b *builder) everyDatabaseHas(key, value string) bool {
	return !slices.ContainsFunc(b.databases, func(db database) bool { return db.params[key] != value })
}
