package main

import (
	"path/filepath"
	"testing"

	"portero/config"
)

func TestPorteroAcceptsTheConfigurationItIsMeasuredWith(t *testing.T) {
	c := chain{dir: t.TempDir()}
	writeFile(t, filepath.Join(c.dir, "userlist.txt"), userlist)
	b := builder{upstream: 5432, clients: 10000, files: 20000}
	cert, key, err := selfSigned()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(c.dir, "tls.crt"), cert)
	writeFile(t, filepath.Join(c.dir, "tls.key"), key)
	for loops, want := range map[string]config.Loops{"1": 1, `"auto"`: 0} {
		listener := map[string]string{"1": porteroTLS, `"auto"`: ""}[loops]
		path, err := c.file("proxy.toml", b.porteroConfig(loops, 6432, 9632, listener))
		if err != nil {
			t.Fatal(err)
		}
		got, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if (got.Listeners[0].TLS.Cert != "") != (listener != "") ||
			got.Loops != want || got.Routes[0].PoolSize != poolSize || got.Pool.MaxClientConn != 10500 {
			t.Errorf("loops %s: got %+v", loops, got)
		}
	}
}
