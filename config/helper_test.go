package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"
)

// inFolder makes a fresh folder with an empty userlist.txt the current one.
func inFolder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "userlist.txt", "")
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writePair makes a self-signed certificate and its key.
func writePair(t *testing.T, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
}

// loadText loads src as proxy.toml of the current folder.
func loadText(t *testing.T, src string) (*Config, error) {
	t.Helper()
	write(t, "proxy.toml", src)
	return Load("proxy.toml")
}

func mustLoad(t *testing.T, src string) *Config {
	t.Helper()
	cfg, err := loadText(t, src)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// faultCase is a file and all that Load says of it.
type faultCase struct {
	name string
	toml string
	want []string // lines of the error, after "proxy.toml:"
}

func checkFaults(t *testing.T, cases []faultCase) {
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			_, err := loadText(t, tc.toml)
			got := "no fault"
			if err != nil {
				got = err.Error()
			}
			want := "no fault"
			if len(tc.want) > 0 {
				want = "proxy.toml:" + strings.Join(tc.want, "\nproxy.toml:")
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s\nof:\n%s", got, want, tc.toml)
			}
		})
	}
}
