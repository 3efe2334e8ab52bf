package config

import "time"

// checkPins checks what [pool] and routes say of clients that cannot leave their
// servers, as far as the table gives it.
func (c checker) checkPins(table, policy string, idle time.Duration, most int) {
	policyKey, idleKey, mostKey := childKey(table, "pin_policy"), childKey(table, "pin_idle_timeout"), childKey(table, "max_pinned")
	if c.given[policyKey] {
		c.oneOf(policyKey, policy, pinPin, "error", "allow")
	}
	if c.given[idleKey] {
		c.atLeast0(idleKey, idle)
	}
	if c.given[mostKey] && most < 0 {
		c.fault(mostKey, "must be at least 0")
	}
}
