package translate

import "strings"

// writeClusters writes all clusters that routes lead to.
func (b *builder) writeClusters() {
	for i := range b.clusters {
		c := &b.clusters[i]
		t := b.doc.item("cluster")
		t.set(c.Place, "name", tomlString(c.name), "")
		if c.patroni {
			b.writePatroni(t)
		} else {
			hosts := make([]string, len(c.hosts))
			for i, h := range c.hosts {
				hosts[i] = h.String()
			}
			t.set(c.Place, "discovery", tomlString("static"), "")
			t.set(c.Place, "hosts", tomlList(hosts), "")
		}
		if b.ini != nil {
			b.writeServerTLS(t)
		}
	}
}

func (b *builder) writePatroni(t *table) {
	p := b.patroni
	t.set(p.Place, "discovery", tomlString("patroni"), "")
	t.set(p.places["scope"], "scope", tomlString(p.scope), "")
	if p.namespace != "/service" {
		t.set(p.places["namespace"], "namespace", tomlString(p.namespace), "")
	}
	if p.citus {
		t.set(p.places["citus"], "citus", "true", "routes lead to group 0, the coordinator, unless they name another")
	}
	at := p.places["etcd"]
	etcd := b.doc.below(t, "etcd")
	etcd.set(at, "endpoints", tomlList(p.endpoints), "")
	if p.username != "" {
		etcd.set(at, "username", tomlString(p.username), "")
		etcd.set(at, "password", tomlString(p.password), "")
	}
	b.writeFiles(b.doc.below(etcd, "tls"), at, p.etcd)
	b.writeFiles(b.doc.below(t, "rest"), p.places["ctl.cacert"], p.rest)
}

func (b *builder) writeFiles(t *table, at Place, files clientTLS3) {
	for _, f := range []struct{ key, name string }{{"ca", files.ca}, {"cert", files.cert}, {"key", files.key}} {
		if f.name != "" {
			t.set(at, f.key, tomlString(b.FileName(f.name)), "")
		}
	}
}

// writeServerTLS writes server_tls_... below a cluster. PgBouncer looks at the
// certificates of servers with verify-ca and verify-full only.
func (b *builder) writeServerTLS(cluster *table) {
	mode, at, given := b.value("server_tls_sslmode")
	cert, certAt, _ := b.value("server_tls_cert_file")
	key, keyAt, _ := b.value("server_tls_key_file")
	ca, caAt, _ := b.value("server_tls_ca_file")
	t := b.doc.below(cluster, "tls")
	mode = strings.ToLower(mode)
	switch {
	case mode == "allow":
		t.set(at, "mode", tomlString("prefer"), "allow is as prefer in PgBouncer, too")
	case given && mode != "prefer":
		t.set(at, "mode", tomlString(mode), "")
	}
	switch {
	case ca == "":
	case mode == "verify-ca", mode == "verify-full":
		t.set(caAt, "ca", tomlString(b.FileName(ca)), "")
	case mode != "disable":
		t.lines = append(t.lines, line{key: "ca", value: tomlString(b.FileName(ca)), aside: true, at: caAt,
			note: "PgBouncer does not look at certificates with " + mode + "; with this Portero does"})
	}
	if mode != "disable" && cert != "" {
		t.set(certAt, "cert", tomlString(b.FileName(cert)), "")
	}
	if mode != "disable" && key != "" {
		t.set(keyAt, "key", tomlString(b.FileName(key)), "")
	}
}
