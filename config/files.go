package config

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// checkFile says what is wrong with reading the file at key.
func (c checker) checkFile(key, name string) {
	if _, err := c.readFile(name); err != nil {
		c.fault(key, "cannot read %s: %s", name, reason(err))
	}
}

// checkAuthorities says what is wrong with a file of certificates to trust; ""
// names none.
func (c checker) checkAuthorities(key, name string) {
	if name == "" {
		return
	}
	text, err := c.readFile(name)
	if err != nil {
		c.fault(key, "cannot read %s: %s", name, reason(err))
	} else if err := checkBundle(text); err != nil {
		c.fault(key, "%s %s", name, err)
	}
}

// checkBundle says what is wrong with certificates in PEM format, one after the
// other: package x509 would pass over those that it cannot read.
func checkBundle(text []byte) error {
	blocks, read := max(bytes.Count(text, []byte("-----BEGIN ")), bytes.Count(text, []byte("-----END "))), 0
	certificates := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		read++
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificates++
		if len(block.Headers) > 0 {
			return fmt.Errorf("holds a certificate, number %d, that cannot be read: it has PEM headers", certificates)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("holds a certificate, number %d, that cannot be read: %w", certificates, err)
		}
	}
	switch {
	case blocks > read:
		return fmt.Errorf("holds %d blocks in PEM format of which %d cannot be read", blocks, blocks-read)
	case certificates == 0:
		return errors.New("holds no certificate in PEM format")
	}
	return nil
}

// checkPair says what is wrong with the certificate and its key in the table
// at key table: none, or both, which belong together.
func (c checker) checkPair(table, cert, key string) {
	certKey, keyKey := childKey(table, "cert"), childKey(table, "key")
	switch {
	case cert == "" && key == "":
		return
	case cert == "":
		c.fault(certKey, "must be given, because key is")
		return
	case key == "":
		c.fault(keyKey, "must be given, because cert is")
		return
	}
	certPEM, certErr := c.readFile(cert)
	if certErr != nil {
		c.fault(certKey, "cannot read %s: %s", cert, reason(certErr))
	}
	keyPEM, keyErr := c.readFile(key)
	if keyErr != nil {
		c.fault(keyKey, "cannot read %s: %s", key, reason(keyErr))
	}
	if certErr != nil || keyErr != nil {
		return
	}
	if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
		c.fault(certKey, "cannot be used with key: %s", reason(err))
	}
}

// readFile is readFile, and notes that the configuration depends on the file.
func (r *report) readFile(name string) ([]byte, error) {
	text, err := readFile(name)
	r.hasRead(name, text)
	return text, err
}

// File is a file that a configuration was read from.
type File struct {
	Name string
	Sum  [sha256.Size]byte // of its content; of nothing if it could not be read
}

// hasRead notes what was in a file when it was read first.
func (r *report) hasRead(name string, text []byte) {
	if !slices.ContainsFunc(r.files, func(f File) bool { return f.Name == name }) {
		r.files = append(r.files, File{name, sha256.Sum256(text)})
	}
}

// Look is what a file has now.
func Look(name string) File {
	text, _ := readFile(name)
	return File{name, sha256.Sum256(text)}
}

// ReadFile reads a regular file whole, on which the configuration depends from here on.
// The error is the reason alone, for a message that names the file.
func (r *Report) ReadFile(name string) ([]byte, error) {
	text, err := r.readFile(name)
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, at.Err
	}
	return text, err
}

// readFile reads a regular file. A pipe could be read only once, and Load is
// not the one who needs what comes out of it; a device might never end.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return os.ReadFile(name)
}

// reason is err without the operation and the path, which the fault names itself.
func reason(err error) string {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err.Error()
	}
	return err.Error()
}
