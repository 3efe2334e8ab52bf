package main

import (
	"testing"

	"portero/config"
)

func TestPorteroAcceptsTheConfigurationItIsMeasuredWith(t *testing.T) {
	c := chain{dir: t.TempDir()}
	b := builder{upstream: 5432, clients: 10000, files: 20000}
	loops := map[string]config.Loops{"1": 1, `"auto"`: 0}
	for _, d := range doors {
		c.door = d
		if _, err := c.furnish(); err != nil {
			t.Fatal(err)
		}
		for setting, want := range loops {
			path, err := c.file("proxy.toml", b.porteroConfig(d, setting, 6432, 9632))
			if err != nil {
				t.Fatal(err)
			}
			got, err := config.Load(path)
			if err != nil {
				t.Fatalf("%s: %v", d, err)
			}
			if (got.Listeners[0].TLS.Cert != "") != d.encrypted || (got.Auth.Method == "scram-sha-256") != d.scram ||
				got.Loops != want || got.Routes[0].PoolSize != poolSize || got.Pool.MaxClientConn != 10500 {
				t.Errorf("%s, loops %s: got %+v", d, setting, got)
			}
		}
	}
}
