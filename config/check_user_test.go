package config

import (
	"testing"
	"time"
)

func TestLoadReportsWrongLimitsAndUsers(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"of the pool section", `
[[route]]
[pool]
reserve_pool_size = -1
reserve_pool_timeout = "1us"
max_db_connections = -1
max_user_connections = -2
max_db_client_connections = -3
max_user_client_connections = -4
query_timeout = "-1s"
transaction_timeout = "10"
internode_reserve = -1
`, []string{
			`4: pool.reserve_pool_size: must be at least 0`,
			`5: pool.reserve_pool_timeout: must be 0 or at least 1ms`,
			`6: pool.max_db_connections: must be at least 0`,
			`7: pool.max_user_connections: must be at least 0`,
			`8: pool.max_db_client_connections: must be at least 0`,
			`9: pool.max_user_client_connections: must be at least 0`,
			`10: pool.query_timeout: must be at least 0`,
			`11: pool.transaction_timeout: must be a duration with its unit, such as "30s", "5m" or "1h30m", not "10"`,
			`12: pool.internode_reserve: must be at least 0`,
		}},
		{"of a reserve beyond all bounds", "[[route]]\n[pool]\ninternode_reserve = 1000000\n", []string{`3: pool.internode_reserve: must be at most 262143`}},
		{"of routes", `
[[route]]
server_password = "x"
max_db_connections = -1
server_lifetime = "1us"
reserve_pool_size = 1000000
server_idle_timeout = "-1s"
`, []string{
			`3: route[1].server_password: has no use without server_user: clients log in as they do to us`,
			`4: route[1].max_db_connections: must be at least 0`,
			`5: route[1].server_lifetime: must be 0 or at least 1ms`,
			`6: route[1].reserve_pool_size: must be at most 262143`,
			`7: route[1].server_idle_timeout: must be at least 0`,
		}},
		{"of users", `
[[user]]
pool_size = 0
[[user]]
name = "*"
pool_mode = "statements"
[[user]]
name = "x"
reserve_pool_size = -1
[[user]]
name = "x"
client_idle_timeout = "-1s"
cluster = "main"
`, []string{
			`2: user[1].name: must be given`,
			`3: user[1].pool_size: must be at least 1`,
			`5: user[2].name: must be a name: what is for all users stands in [pool]`,
			`6: user[2].pool_mode: must be one of session, transaction, statement, not "statements"`,
			`9: user[3].reserve_pool_size: must be at least 0`,
			`11: user[4].name: "x" is the name of user[3]`,
			`12: user[4].client_idle_timeout: must be at least 0`,
			`13: user[4].cluster: unknown key`,
		}},
		{"of routes to one pool, by the user that both log in as", `
[[route]]
user = "a"
server_user = "app"
server_password = "secret"
connect_query = "set jit = off"
[[route]]
user = "b"
server_user = "app"
server_password = "other"
reserve_pool_size = 1
[[route]]
user = "app"
pool_size = 3
connect_query = "set jit = off"
`, []string{
			`7: route[2].connect_query: must be set jit = off, as in route[1]: both lead to one pool (any database, user "app")`,
			`10: route[2].server_password: must be the same as in route[1]: both log in as "app"`,
			`11: route[2].reserve_pool_size: must be 0, as in route[1]: both lead to one pool (any database, user "app")`,
			`14: route[3].pool_size: must be 20, as in route[1]: both lead to one pool (any database, user "app")`,
		}},
		{"not where the user's own comes before them", `
[[user]]
name = "app"
pool_size = 5
pool_mode = "session"
[[route]]
user = "a"
server_user = "app"
pool_size = 1
[[route]]
user = "app"
pool_size = 3
`, nil},
	})
}

func TestAUsersSettingsComeBeforeItsRoutes(t *testing.T) {
	inFolder(t)
	cfg := mustLoad(t, `
[[user]]
name = "some"
pool_size = 2
query_timeout = "0s"
max_user_connections = 9
[[user]]
name = "bare"
[[route]]
pool_size = 7
min_pool_size = 3
reserve_pool_size = 4
[pool]
pool_mode = "session"
query_timeout = "5s"
client_idle_timeout = "6s"
max_user_client_connections = 8
`)
	for _, c := range []struct {
		name   string
		sizes  Sizes
		query  time.Duration
		most   int
		client int
	}{
		{"some", Sizes{"session", 2, 2, 4}, 0, 9, 8},
		{"bare", Sizes{"session", 7, 3, 4}, 5 * time.Second, 0, 8},
		{"other", Sizes{"session", 7, 3, 4}, 5 * time.Second, 0, 8},
	} {
		u, sizes := cfg.User(c.name), cfg.Sizes(&cfg.Routes[0], c.name)
		if u.Name != c.name || sizes != c.sizes || u.QueryTimeout != c.query || u.ClientIdleTimeout != 6*time.Second ||
			u.MaxUserConnections != c.most || u.MaxUserClientConnections != c.client {
			t.Errorf("%s has %+v and %+v", c.name, sizes, u)
		}
	}
}
