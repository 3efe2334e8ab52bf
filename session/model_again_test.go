package session

import (
	"slices"

	"portero/wire"
)

// stops has the server shut down, with its last word behind some of what it has not
// said yet. It reports whether all that is under way is asked again.
func (c *conversation) stops() bool {
	said := c.choose(len(c.server.out) + 1)
	var answer []byte
	for _, f := range c.server.out[:said] {
		answer = f.Append(answer)
	}
	answer = wire.Fatal(wire.AdminShutdown, "terminating connection due to administrator command").Append(answer)
	if c.counted || c.s.Aborted(answer) == nil {
		return false
	}
	c.note(func() string { return "the server shuts down, and all is asked again" })
	c.heard += said
	truth := c.truthAtLastWord()
	if slices.ContainsFunc(c.kept, func(s sent) bool { return truth[s.id] }) {
		c.fault("asked again, but may be committed: %v", truth)
	}
	if c.client.status != 'I' {
		c.fault("asked again, in a transaction that is lost")
	}
	c.discard()
	c.s.TakeBack()
	c.again++
	c.held = append(c.kept, c.held...)
	c.goOn()
	return true
}
