package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// FuzzLoad asserts that no file makes Load panic, that every error is of type
// Faults with lines of the file, and that what is accepted is complete.
func FuzzLoad(f *testing.F) {
	example, err := os.ReadFile("../proxy.toml.example")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add(string(example))
	f.Add(uncomment(string(example)))
	f.Add("route = [1, {pool_size = 'x'}]\nauth.method = 'trust'\n[listener]\n")
	f.Fuzz(func(t *testing.T, src string) {
		cfg, _, err := load("proxy.toml", src, nil)
		if err == nil {
			checkComplete(t, cfg)
			return
		}
		faults, ok := errors.AsType[Faults](err)
		if !ok || len(faults) == 0 || cfg != nil {
			t.Fatalf("got %v and error %v", cfg, err)
		}
		most := strings.Count(src, "\n") + 1
		for _, fault := range faults {
			if fault.Line < 0 || fault.Line > most || fault.Message == "" {
				t.Errorf("line %d of %d: %s", fault.Line, most, fault)
			}
		}
	})
}

func checkComplete(t *testing.T, cfg *Config) {
	if len(cfg.Listeners) == 0 || len(cfg.Clusters) == 0 || len(cfg.Routes) == 0 {
		t.Fatalf("an empty list in %+v", cfg)
	}
	for i := range cfg.Routes {
		r := &cfg.Routes[i]
		if r.Cluster == "" || r.PoolSize < 1 || cfg.RouteRole(r, &cfg.Listeners[0]) == "" {
			t.Errorf("route[%d] is not complete: %+v", i+1, r)
		}
	}
}
