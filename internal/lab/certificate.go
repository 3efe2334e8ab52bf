package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"path/filepath"
	"time"
)

// Certificate names the files of a server certificate for 127.0.0.1 and localhost, and of the
// authority that signed it. They live as long as the lab they belong to.
type Certificate struct {
	CA, Cert, Key string

	valid, expired string // what Cert is a copy of, and what it may become one of
}

// makeCertificate writes a fresh authority and a certificate of its making into dir.
func (s *site) makeCertificate(dir string) (Certificate, error) {
	files := Certificate{
		CA:   filepath.Join(dir, "ca.crt"),
		Cert: filepath.Join(dir, "server.crt"),
		Key:  filepath.Join(dir, "server.key"),

		valid: filepath.Join(dir, "valid.crt"), expired: filepath.Join(dir, "expired.crt"),
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return files, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return files, err
	}
	ca := template("portero lab CA", 1)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return files, err
	}
	leaf := template("localhost", 2)
	leaf.DNSNames, leaf.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return files, err
	}
	leaf.NotBefore, leaf.NotAfter = leaf.NotBefore.Add(-time.Hour), leaf.NotBefore
	expiredDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return files, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return files, err
	}
	return files, errors.Join(
		s.writePEM(files.CA, "CERTIFICATE", caDER),
		s.writePEM(files.Cert, "CERTIFICATE", leafDER),
		s.writePEM(files.valid, "CERTIFICATE", leafDER),
		s.writePEM(files.expired, "CERTIFICATE", expiredDER),
		s.writePEM(files.Key, "PRIVATE KEY", keyDER),
	)
}

func template(name string, serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
}

func (s *site) writePEM(path, kind string, der []byte) error {
	return s.writeFile(path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}
