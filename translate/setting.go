package translate

import (
	"slices"
	"strings"

	"portero/config"
)

// setting is what there is to know of one of PgBouncer's settings.
type setting struct {
	name      string
	deflt     string // as SHOW CONFIG of PgBouncer 1.25 has it
	noDefault bool   // its section beginning again leaves it as it is
	restart   bool   // PgBouncer reads it at its start only
	kind      kind
	words     []string // that it can be, where its kind is word

	// key is ours, "pool.query_timeout"; a list's tables are named without a
	// number, "listener.address". "" where there is none, for the reason in why.
	key string
	why string

	// always has it written if the file leaves it out too: PgBouncer would do by
	// its default what Portero does not do by its own.
	always bool
	// inParts marks what makes sense only beside others (addresses, TLS, logins);
	// their functions write it.
	inParts bool

	convert func(given string) (toml, remark string)    // nil: as the kind says; toml "" leaves it out
	show    func(cfg *config.Config) (value string)     // nil: as the kind says of key
	set     func(value string) (toml string, err error) // nil: as convert
}

// kind is how PgBouncer reads a value, and what becomes of it.
type kind int

const (
	text         kind = iota
	word              // one of words, in any case
	number            // as C writes it: 20, 0x14, 024
	onOff             // a number, where 0 is no
	seconds           // with a fraction or without; ours is a duration
	wholeSeconds      // a number; ours is a duration
	milliseconds      // a number; ours is a duration
	names             // divided by commas or blanks; ours is a list
)

// settings is all that [pgbouncer] can have, in PgBouncer's order.
var settings = slices.Concat(adminSettings, loginSettings, clientSettings, networkSettings, logSettings, poolSettings, serverSettings)

// settingOf is a setting by its name, nil if there is none.
func settingOf(name string) *setting {
	for i := range settings {
		if settings[i].name == name {
			return &settings[i]
		}
	}
	return nil
}

func hasDefault(name string) bool {
	s := settingOf(name)
	return s != nil && !s.noDefault
}

// section is the table of the file that has the setting, and its name there.
func (s *setting) section() (table, name string) {
	i := strings.LastIndexByte(s.key, '.')
	return s.key[:i], s.key[i+1:]
}

// toml is a given value as ours; "" where it is left out, and then there is a remark.
func (s *setting) toml(given string) (toml, remark string) {
	if s.convert != nil {
		return s.convert(given)
	}
	if s.key == "" {
		return "", s.why
	}
	return s.kind.toml(given), ""
}
