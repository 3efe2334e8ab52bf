package translate

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"portero/config"
)

// Row is one line of SHOW CONFIG, in PgBouncer's words and units.
type Row struct {
	Key        string
	Value      string
	Default    string // PgBouncer's
	Changeable bool   // by SET, or by a reload
}

// Show is what cfg amounts to as settings of PgBouncer, by name. Where PgBouncer
// has a setting and Portero has none, the value is PgBouncer's default.
func Show(cfg *config.Config) []Row {
	rows := make([]Row, 0, len(settings))
	for i := range settings {
		s := &settings[i]
		if s.why == whyWindows && s.noDefault {
			continue // service_name is another name of job_name
		}
		rows = append(rows, Row{s.name, s.value(cfg), s.deflt, !s.restart})
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.Key, b.Key) })
	return rows
}

func (s *setting) value(cfg *config.Config) string {
	if s.show != nil {
		return s.show(cfg)
	}
	if s.key == "" {
		return s.deflt
	}
	v, ok := field(cfg, s.key)
	if !ok {
		return s.deflt
	}
	return s.kind.show(v)
}

// field is the value of a key of ours. The field is found by its name in the
// file, so that a row of the table is all that a new setting needs.
func field(cfg *config.Config, key string) (reflect.Value, bool) {
	v := reflect.ValueOf(cfg).Elem()
	for name := range strings.SplitSeq(key, ".") {
		if v = member(v, name); !v.IsValid() {
			return v, false
		}
	}
	return v, true
}

func member(v reflect.Value, name string) reflect.Value {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("toml") == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// show is a value of ours in PgBouncer's units.
func (k kind) show(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case time.Duration:
		switch k {
		case milliseconds:
			return strconv.FormatInt(value.Milliseconds(), 10)
		case wholeSeconds:
			return strconv.FormatInt(int64(value/time.Second), 10)
		}
		return showSeconds(value)
	case bool:
		return showFlag(value)
	case []string:
		return strings.Join(value, ", ")
	}
	return fmt.Sprint(v.Interface())
}

func showFlag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

// Why SET does not set.
var (
	ErrUnknown = errors.New("no such setting")                         // PgBouncer has none of that name
	ErrFixed   = errors.New("cannot be changed without a restart")     // nor has PgBouncer
	ErrInFile  = errors.New("is changed in the file, and by a reload") // it makes sense only beside other settings
	ErrNone    = errors.New("has no counterpart in Portero")           // with the reason behind it
)

// Set says what PgBouncer's "SET key = value" asks of Portero: a key of its
// configuration, such as "pool.query_timeout", and a value in TOML. An error is
// one of the above, or says what is wrong with the value.
func Set(key, value string) (ourKey, tomlValue string, err error) {
	s := settingOf(key)
	if s == nil {
		return "", "", ErrUnknown
	}
	if err := s.check(value); err != nil {
		return "", "", err
	}
	switch {
	case s.restart:
		return "", "", ErrFixed
	case s.key == "":
		return "", "", fmt.Errorf("%w: %s", ErrNone, s.why)
	case s.inParts && !s.settable():
		return "", "", ErrInFile
	}
	if s.set != nil {
		tomlValue, err = s.set(value)
		return s.key, tomlValue, err
	}
	tomlValue, remark := s.toml(value)
	if tomlValue == "" {
		return "", "", errors.New(remark)
	}
	return s.key, tomlValue, nil
}

// settable is whether a setting that is written beside others can be set alone.
func (s *setting) settable() bool {
	switch s.name {
	case "log_connections", "log_disconnections", "stats_period", "auth_query", "auth_user", "auth_dbname":
		return true
	}
	return false
}
