package config

import (
	"slices"
	"testing"
)

func TestARouteWithoutANameIsCalledByWhatItAsks(t *testing.T) {
	inFolder(t)
	cfg := mustLoad(t, `
[[listener]]
address = "127.0.0.1:6432"
[[route]]
name = "reports"
user = "reports"
[[route]]
database = "app"
user = "bob"
[[route]]
listener = "127.0.0.1:6432"
database = "app"
[[route]]
database = "a/b"
user = "c"
[[route]]
database = "a"
user = "b/c"
[[route]]
`)
	var names []string
	for _, r := range cfg.Routes {
		names = append(names, r.Name)
	}
	if want := []string{"reports", "app/bob", "app/*@127.0.0.1:6432", `"a/b"/c`, `a/"b/c"`, "*/*"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}
