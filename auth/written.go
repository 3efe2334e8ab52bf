package auth

import (
	"strings"

	"portero/config"
)

// writtenRule makes a rule of an [[auth.rule]], which has its key in the file.
func writtenRule(c *config.AuthRule, key string, fault func(key, format string, args ...any)) *builder {
	b := &builder{rule: rule{place: key}}
	b.report = func(part, format string, args ...any) { fault(key+"."+part, format, args...) }
	b.setLink(c.Type)
	b.setNames(&b.rule.databases, "database", b.words("database", c.Database), databaseName)
	b.setNames(&b.rule.users, "user", b.words("user", c.User), userName)
	b.setWrittenAddress(c.Address)
	b.setMethod(c.Method)
	for _, option := range [][2]string{{"map", c.Map}, {"clientcert", c.ClientCert}, {"clientname", c.ClientName}} {
		if name, value := option[0], option[1]; value != "" {
			b.setOption(name, name, value)
		}
	}
	b.setOptions("options", c.Options)
	return b
}

// words reads the items of a list, which need no quotes to hold a blank or a
// comma, but as in pg_hba.conf a pair of them to be no keyword.
func (b *builder) words(part string, items []string) (words []word) {
	if len(items) == 0 {
		b.fault(part, "must have a name in it, or all")
	}
	for _, item := range items {
		w := word{text: item}
		if strings.HasPrefix(item, `"`) {
			text, rest, err := quoted(item)
			if err != nil || rest != "" {
				b.fault(part, "%s: double quotes must be around the whole name", item)
				continue
			}
			w = word{text: text, quoted: true}
		}
		switch {
		case w.text == "":
			b.fault(part, "must not have an empty name in it")
		case !w.quoted && w.text[0] == '@':
			b.fault(part, "%s: names can be in a file of their own only with auth.hba_file", item)
		default:
			words = append(words, w)
		}
	}
	return words
}

func (b *builder) setWrittenAddress(address string) {
	switch {
	case b.rule.link == linkLocal:
		if address != "" {
			b.fault("address", "has no use with type local")
		}
	case address != "" && b.setAddress(word{text: address}):
		b.fault("address", "%q needs the number of bits that count, as in 10.0.0.1/32", address)
	}
}
