package config

import (
	"crypto/sha256"
	"fmt"
)

// Fingerprint is equal for equal settings, with what the files hold that they name.
type Fingerprint [sha256.Size]byte

// Fingerprint is that of all that says how the cluster's members are found and reached.
// Of the certificates for its PostgreSQL servers only the names count: connections that
// are open keep what they were opened with. It blocks on the file system. What cannot be
// read counts as empty.
func (c *Cluster) Fingerprint() (sum Fingerprint) {
	h := sha256.New()
	reached := *c
	reached.Metadata = Metadata{} // it is asked by them, and finds nobody
	fmt.Fprintf(h, "%#v", reached)
	for _, name := range []string{c.Etcd.TLS.CA, c.Etcd.TLS.Cert, c.Etcd.TLS.Key, c.REST.CA, c.REST.Cert, c.REST.Key} {
		text, _ := readFile(name)
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	h.Sum(sum[:0])
	return sum
}
