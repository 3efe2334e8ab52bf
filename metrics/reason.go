package metrics

import (
	"fmt"
	"sync/atomic"
)

// Reason says why a client or a server ended, or why a client was given an
// error. It is one enum for log, metric label and console, so that the same
// event reads the same in all three.
type Reason uint8

// The reasons. The zero value, None, means that nothing is wrong or that the
// reason is not known yet.
const (
	None Reason = iota

	// The client's doing.

	ClientClosed       // it sent Terminate, or closed its side in good order
	ClientGone         // its socket was reset
	ClientProtocol     // it sent bytes that are no valid message here
	ClientLoginTimeout // it did not finish its login in time
	ClientAuthFailed   // it could not prove who it is
	LookupFailed       // the database, LDAP or PAM could not be asked who it is
	ClientStalled      // it did not read what it was sent for too long
	ClientDeaf         // too many notifications were waiting for it
	Cancelled          // its statement was cancelled at its own request
	SettingRefused     // a server refused one of its settings
	PinIdle            // it was pinned to its server and idle for too long
	Killed             // an operator has closed it (KILL, KILL_CLIENT); servers too

	QueryTimeout           // query_timeout passed without the answer
	TransactionTimeout     // its transaction took longer than transaction_timeout
	IdleTransactionTimeout // it asked nothing for too long within a transaction
	ClientIdle             // client_idle_timeout passed

	// Portero's limits and rules.

	TooManyClients     // a limit on the number of clients was reached
	TooManyLogins      // it was silent before its login, and another needed its place
	TooManyPools       // max_pools was reached
	TooManyPinned      // max_pinned was reached
	TooManyOfDatabase  // max_db_client_connections was reached
	TooManyOfUser      // max_user_client_connections was reached
	NoRoute            // no route matches what it asked for
	WaitTimeout        // query_wait_timeout passed without a server for it
	PoolDeadlock       // it waited for a server while it and others held each other's; it was the last to begin
	DatabaseDisabled   // an operator has the database's new clients refused (DISABLE)
	TransactionPooling // statement mode refused a transaction block

	// The server's doing.

	ServerConnect  // dialling it failed
	ServerLogin    // it did not let Portero log in
	ServerLost     // it died, or its socket was reset
	ServerFatal    // it sent an error of severity FATAL or PANIC
	ServerProtocol // it sent bytes that are no valid answer
	ConnectQuery   // it refused connect_query

	// Portero's care of its servers.

	ServerIdle     // server_idle_timeout passed
	ServerLifetime // server_lifetime passed
	ServerEvicted  // it was to spare, and another pool needed its descriptor
	ServerRecovery // it is in recovery where a leader was wanted
	ServerPaused   // an operator has its clients held (PAUSE)
	ServerRenewed  // an operator wants another in its place (RECONNECT)
	ServerSpent    // it replicated for a client that has left, and nobody else could go on with it
	ServerDirty    // it could not be cleaned for its next client
	EpochMoved     // another leader, or another timeline, took its place
	MemberLeft     // others serve the pool in its place: its member lags, or leads and a replica is back
	Rebalanced     // its member had more than its share, or a nearer one takes servers: one there is to have its place

	Reconfigured      // its settings have changed: where it leads to, or how many there may be
	LeaderUnconfirmed // nobody has confirmed for too long that its member leads

	// Portero's own end.

	PassedOn // another Portero has taken it over, which goes on with it
	Shutdown // Portero is stopping
	Panic    // a panic in the code that served it
	Internal // a state that Portero did not expect of itself

	// NumReasons is how many reasons there are, None included.
	NumReasons
)

var reasonNames = [NumReasons]string{
	None:               "none",
	ClientClosed:       "client closed",
	ClientGone:         "client gone",
	ClientProtocol:     "client protocol violation",
	ClientLoginTimeout: "client login timeout",
	ClientAuthFailed:   "client authentication failed",
	LookupFailed:       "user lookup failed",
	ClientStalled:      "client stalled",
	Cancelled:          "cancelled",
	SettingRefused:     "setting refused",
	ClientDeaf:         "notifications unread",
	PinIdle:            "pinned client idle",
	Killed:             "killed",
	PoolDeadlock:       "pool deadlock",
	DatabaseDisabled:   "database disabled",
	ServerPaused:       "paused",
	ServerRenewed:      "reconnect",
	ServerSpent:        "replication over",
	TooManyClients:     "too many clients",
	TooManyOfDatabase:  "too many clients of the database",
	TooManyOfUser:      "too many clients of the user",
	TooManyLogins:      "too many logins",
	TooManyPools:       "too many pools",
	TooManyPinned:      "too many pinned clients",
	NoRoute:            "no route",
	WaitTimeout:        "wait timeout",
	TransactionPooling: "transaction block refused",
	ServerConnect:      "server connect failed",
	ServerLogin:        "server login failed",
	ServerLost:         "server lost",
	ServerFatal:        "server fatal error",
	ServerProtocol:     "server protocol violation",
	ConnectQuery:       "connect query failed",
	ServerIdle:         "server idle",
	ServerLifetime:     "server lifetime over",
	ServerEvicted:      "server evicted",
	ServerRecovery:     "server in recovery",
	ServerDirty:        "server not clean",
	EpochMoved:         "epoch moved",
	Reconfigured:       "reconfigured",
	LeaderUnconfirmed:  "leader not confirmed",
	MemberLeft:         "member left",
	Rebalanced:         "rebalanced",
	PassedOn:           "passed on",
	Shutdown:           "shutdown",
	Panic:              "panic",
	Internal:           "internal error",

	QueryTimeout:           "query timeout",
	TransactionTimeout:     "transaction timeout",
	IdleTransactionTimeout: "idle transaction timeout",
	ClientIdle:             "client idle",
}

// String returns the words for r as they stand in logs, labels and the console.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// ReasonCounts holds one number per Reason, indexed by it.
type ReasonCounts [NumReasons]uint64

// reasonCounters counts events by Reason. Safe for concurrent use.
type reasonCounters [NumReasons]atomic.Uint64

// add counts one event. A value outside the enum is a fault of ours, and is
// counted as one: losing a client over a wrong counter would be the worse fault.
func (c *reasonCounters) add(r Reason) {
	if r >= NumReasons {
		r = Internal
	}
	c[r].Add(1)
}

func (c *reasonCounters) load() ReasonCounts {
	var counts ReasonCounts
	for r := range c {
		counts[r] = c[r].Load()
	}
	return counts
}
