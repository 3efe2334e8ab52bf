package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// enableAuth makes username the only one who may read and write, beside etcd's own root.
func (e *Etcd) enableAuth(ctx context.Context, username, password string) error {
	e.Username, e.Password = username, password
	c := e.Client
	steps := []func() error{
		func() error { _, err := c.RoleAdd(ctx, "root"); return err },
		func() error { _, err := c.UserAdd(ctx, "root", password); return err },
		func() error { _, err := c.UserGrantRole(ctx, "root", "root"); return err },
	}
	if username != "root" {
		everything := "\x00" // as key and as range end
		steps = append(steps,
			func() error { _, err := c.RoleAdd(ctx, "all"); return err },
			func() error {
				_, err := c.RoleGrantPermission(ctx, "all", everything, everything,
					clientv3.PermissionType(clientv3.PermReadWrite))
				return err
			},
			func() error { _, err := c.UserAdd(ctx, username, password); return err },
			func() error { _, err := c.UserGrantRole(ctx, username, "all"); return err },
		)
	}
	steps = append(steps, func() error { _, err := c.AuthEnable(ctx); return err })
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return Poll(ctx, "log in to etcd", func() error { return e.connect(username, password) })
}

// Expire has etcd show a certificate whose time is over to whoever connects from now on. Renew
// ends that.
func (e *Etcd) Expire() error { return e.show(e.Certificate.expired) }

// Renew ends what Expire began.
func (e *Etcd) Renew() error { return e.show(e.Certificate.valid) }

// show replaces the certificate, which etcd reads for each connection.
func (e *Etcd) show(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(e.Certificate.Cert, text, 0o600)
}

// clientTLS trusts the certificate's authority and no other.
func (c Certificate) clientTLS() (*tls.Config, error) {
	ca, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New(c.CA + " holds no certificate")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
