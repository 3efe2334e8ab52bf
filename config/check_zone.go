package config

import "strings"

// checkZone finds what no member's tag could be equal to: tags are read without the spaces
// around them.
func (c checker) checkZone() {
	if zone := c.cfg.Zone; zone != strings.TrimSpace(zone) {
		c.fault("zone", "must not begin or end with a space: no member's tag zone would be equal to %q", zone)
	}
}
