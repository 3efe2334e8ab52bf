package config

import "testing"

func TestLoadReportsAZoneThatNoTagIsEqualTo(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"a space behind it", `zone = "north "`, []string{`1: zone: must not begin or end with a space: no member's tag zone would be equal to "north "`}},
		{"a space inside", `zone = "north 1"`, nil},
		{"a number", `zone = 1`, []string{`1: zone: must be a string, not a whole number`}},
	})
}
