package pool

// Settling reports whether the claim has a server only to settle something: it went before all
// others, and its server may be one beyond pool_size. On c's loop.
func (c *Claim) Settling() bool { return c.Server != nil && c.counted == ofReserve }
