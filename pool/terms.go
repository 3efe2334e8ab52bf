package pool

import "time"

// Terms is what the configuration says of a pool. They are the same for all who
// come with one key by one configuration.
type Terms struct {
	Size         int           // servers at most
	Minimum      int           // servers kept open once the pool is in use
	Reserve      int           // servers beyond Size, once the first in the queue has waited for reserve_pool_timeout
	MaxDatabase  int           // servers of the database, in all pools; 0 = no limit
	MaxUser      int           // servers that are logged in as the user, in all pools; 0 = no limit
	IdleTimeout  time.Duration // servers are closed, but for the Minimum, when they have been idle for this; 0 = never
	Lifetime     time.Duration // servers are closed, when free, after this; 0 = never
	ConnectQuery string        // run on each new server before its first client; "" = none
}

// terms are those in force. What is returned is never changed.
func (p *Pool) terms() *Terms { return p.agreed.Load() }
