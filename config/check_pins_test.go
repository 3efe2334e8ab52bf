package config

import (
	"testing"
	"time"
)

func TestLoadReportsWrongPins(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"of the pool section, not again of its routes", `
[[route]]
[pool]
pin_policy = "refuse"
pin_idle_timeout = "-1s"
max_pinned = -1
`, []string{
			`4: pool.pin_policy: must be one of pin, error, allow, not "refuse"`,
			`5: pool.pin_idle_timeout: must be at least 0`,
			`6: pool.max_pinned: must be at least 0`,
		}},
		{"of routes", `
[[route]]
pin_policy = ""
max_pinned = -2
`, []string{
			`3: route[1].pin_policy: must be one of pin, error, allow, not ""`,
			`4: route[1].max_pinned: must be at least 0`,
		}},
		{"of routes to one pool", `
[[route]]
database = "x"
dbname = "app"
max_pinned = 2
[[route]]
`, []string{`6: route[2].max_pinned: must be 2, as in route[1]: both lead to one pool (database "app", any user)`}},
	})
}

func TestRouteTakesThePoolSectionsPins(t *testing.T) {
	inFolder(t)
	cfg := mustLoad(t, `
[[route]]
database = "a"
pin_policy = "error"
max_pinned = 3
[[route]]
[pool]
pin_policy = "allow"
pin_idle_timeout = "5m"
`)
	type pins struct {
		policy string
		idle   time.Duration
		most   int
	}
	want := []pins{{"error", 5 * time.Minute, 3}, {"allow", 5 * time.Minute, 0}}
	for i, r := range cfg.Routes {
		if got := (pins{r.PinPolicy, r.PinIdleTimeout, r.MaxPinned}); got != want[i] {
			t.Errorf("route[%d]: got %v, want %v", i+1, got, want[i])
		}
	}
}
