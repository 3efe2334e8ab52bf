package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"strconv"
	"sync"
)

// processKey makes what must be stable while the process lives and unknown
// outside it: the salts of verifiers derived here, and everything mocked.
var processKey = newProcessKey()

func newProcessKey() (k scramKey) {
	rand.Read(k[:]) // never fails: crypto/rand ends the process instead
	return k
}

// derived remembers SCRAM keys for logins to servers. When a new leader takes
// over, a whole pool logs in at once with one password, salt and iteration
// count; deriving the keys costs milliseconds and is done once.
var derived = keyCache{limit: 4096}

// keyCache remembers derived keys under a keyed hash of their input, so that
// it holds no password. Safe for concurrent use; those who ask for keys that
// are being derived wait for them.
type keyCache struct {
	limit int

	mu      sync.Mutex // guards entries; never held while deriving
	entries map[scramKey]*cachedKeys
}

type cachedKeys struct {
	once sync.Once
	keys scramKeys
}

func (c *keyCache) keys(password, salt string, iterations int) scramKeys {
	e := c.entry(cacheKey(password, salt, iterations))
	e.once.Do(func() { e.keys = deriveKeys(password, salt, iterations) })
	return e.keys
}

// entry forgets everything when full: that many passwords at once are rare,
// and forgetting costs time only.
func (c *keyCache) entry(key scramKey) *cachedKeys {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e != nil {
		return e
	}
	if c.entries == nil || len(c.entries) >= c.limit {
		c.entries = make(map[scramKey]*cachedKeys)
	}
	e = new(cachedKeys)
	c.entries[key] = e
	return e
}

// cacheKey hashes salt and password apart from each other, so that no two
// inputs look alike.
func cacheKey(password, salt string, iterations int) scramKey {
	s := scramKey(sha256.Sum256([]byte(salt)))
	return processKey.mac("keys " + strconv.Itoa(iterations) + " " + string(s[:]) + password)
}
