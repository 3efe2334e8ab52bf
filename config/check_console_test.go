package config

import "testing"

func TestLoadReportsWhatTheConsoleCannotUse(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"names of nobody", `
[admin]
users = ["dba", ""]
stats_users = ["", 5]
`, []string{
			`3: admin.users[2]: must not be empty`,
			`4: admin.stats_users[2]: must be a string, not a whole number`,
			`4: admin.stats_users[1]: must not be empty`,
		}},
		{"a period in which nothing happens", `
[log]
stats_period = "100ms"
`, []string{`3: log.stats_period: must be 0 or at least 1s`}},
		{"what is fine", `
[admin]
users = ["dba"]
stats_users = ["monitor"]
[log]
stats_period = "0s"
`, nil},
	})
}
