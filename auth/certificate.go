package auth

import (
	"crypto/x509"
	"encoding/asn1"
	"strings"
)

// certName says what of a client's certificate is its user.
type certName byte

const (
	certCN    certName = iota // the subject's common name
	certDNS                   // each of its alternative names of type DNS
	certEmail                 // each of its alternative names of type e-mail
)

var certNames = map[string]certName{"CN": certCN, "DNS": certDNS, "email": certEmail}

var commonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// of is the names that a certificate gives its owner; of several common names
// it is the first, as in PostgreSQL. Names with a zero byte are none.
func (n certName) of(cert *x509.Certificate) (names []string) {
	all := cert.DNSNames
	switch n {
	case certCN:
		all = nil
		for _, part := range cert.Subject.Names {
			if text, ok := part.Value.(string); ok && part.Type.Equal(commonName) {
				all = []string{text}
				break
			}
		}
	case certEmail:
		all = cert.EmailAddresses
	}
	for _, name := range all {
		if name != "" && !strings.Contains(name, "\x00") {
			names = append(names, name)
		}
	}
	return names
}
