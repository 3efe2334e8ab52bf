package translate

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// check says what PgBouncer has against a value.
func (s *setting) check(value string) error {
	switch s.kind {
	case word:
		for _, w := range s.words {
			if strings.EqualFold(w, value) {
				return nil
			}
		}
		return fmt.Errorf("must be one of %s, not %q", strings.Join(s.words, ", "), value)
	case number, onOff, wholeSeconds, milliseconds:
		if _, ok := numberOf(value); !ok {
			return fmt.Errorf("must be a whole number, not %q", value)
		}
	case seconds:
		if _, ok := secondsOf(value); !ok {
			return fmt.Errorf("must be a number of seconds, not %q", value)
		}
	}
	return nil
}

// numberOf reads a number as C's strtol does, bounded to what a setting can be.
func numberOf(value string) (int, bool) {
	if strings.Contains(value, "_") {
		return 0, false // Go's own way to write numbers
	}
	if len(value) > 1 && value[0] == '0' && !strings.ContainsAny(value[1:2], "xX") {
		value = "0o" + value[1:]
	} else if strings.HasPrefix(value, "0b") || strings.HasPrefix(value, "0B") {
		return 0, false
	}
	n, err := strconv.ParseInt(value, 0, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return int(max(math.MinInt32, min(n, math.MaxInt32))), true
}

// leadingNumber reads as C's atoi does: what is behind the digits does not count.
func leadingNumber(value string) (n int, whole bool) {
	end := 0
	if end < len(value) && (value[0] == '-' || value[0] == '+') {
		end++
	}
	for end < len(value) && '0' <= value[end] && value[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(value[:end])
	return max(math.MinInt32, min(n, math.MaxInt32)), err == nil && end == len(value)
}

// longest bounds a time: Go's own end at 292 years.
const longest = 100 * 365 * 24 * time.Hour

func secondsOf(value string) (time.Duration, bool) {
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(v) || v < 0 || strings.Contains(value, "_") {
		return 0, false
	}
	return atMost(v, time.Second), true
}

func atMost(n float64, unit time.Duration) time.Duration {
	if n > float64(longest/unit) {
		return longest
	}
	return time.Duration(n * float64(unit)).Round(time.Microsecond)
}

// durationOf is a checked value of one of the kinds that are times.
func (k kind) durationOf(value string) time.Duration {
	switch k {
	case wholeSeconds, milliseconds:
		n, _ := numberOf(value)
		unit := time.Second
		if k == milliseconds {
			unit = time.Millisecond
		}
		return atMost(float64(max(n, 0)), unit)
	}
	d, _ := secondsOf(value)
	return d
}

// toml is a checked value as ours.
func (k kind) toml(value string) string {
	switch k {
	case number:
		n, _ := numberOf(value)
		return strconv.Itoa(n)
	case onOff:
		n, _ := numberOf(value)
		return strconv.FormatBool(n != 0)
	case seconds, wholeSeconds, milliseconds:
		return tomlDuration(k.durationOf(value))
	case names:
		return tomlList(namesOf(value))
	case word:
		return tomlString(strings.ToLower(value))
	}
	return tomlString(value)
}

// namesOf is the names in a list such as admin_users.
func namesOf(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// leastDuration is the shortest time that Portero takes for a time at all.
const leastDuration = time.Millisecond

// tomlDuration writes a time the way people do: "1h", not "1h0m0s".
func tomlDuration(d time.Duration) string {
	if d > 0 {
		d = max(d, leastDuration)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return tomlString(s)
}

func tomlList(items []string) string {
	quoted := make([]string, len(items))
	for i, item := range items {
		quoted[i] = tomlString(item)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// tomlString is a TOML string on one line, whatever is in it.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// showSeconds writes a time as PgBouncer's SHOW CONFIG does.
func showSeconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'g', 6, 64)
}
