package translate

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// writeListeners writes PgBouncer's addresses, and HAProxy's ports where clients
// come to them.
func (b *builder) writeListeners() {
	taken := make(map[string]bool)
	if b.ini != nil {
		b.writeOwn(taken)
	}
	if b.haproxy == nil || b.beforeHAProxy() {
		return
	}
	for i := range b.haproxy.entrances {
		b.writeEntrance(&b.haproxy.entrances[i], taken)
	}
}

// writeOwn writes listen_addr with listen_port, and the Unix socket.
func (b *builder) writeOwn(taken map[string]bool) {
	addresses, at, _ := b.value("listen_addr")
	port := strconv.Itoa(b.number("listen_port"))
	hosts := namesOf(addresses)
	if slices.Contains(hosts, "*") {
		hosts = []string{"*"}
	}
	for _, host := range hosts {
		if host = strings.Trim(host, "[]"); host == "*" {
			host = ""
		}
		address := net.JoinHostPort(host, port)
		if taken[address] {
			continue
		}
		taken[address] = true
		t := b.doc.item("listener")
		t.set(at, "address", tomlString(address), "")
		b.writeClientTLS(t)
	}
	if dir, _, _ := b.value("unix_socket_dir"); len(hosts) == 0 && (dir == "" || dir[0] != '/') {
		b.bad.add(at, "there is nowhere to listen: set listen_addr or unix_socket_dir")
	}
	b.writeSocket(port)
}

func (b *builder) writeSocket(port string) {
	dir, at, given := b.value("unix_socket_dir")
	switch {
	case dir == "":
		return
	case dir[0] != '/':
		b.doc.remark(at, "unix_socket_dir %s: sockets without a file have no counterpart", dir)
		return
	}
	address := unixPrefix + dir
	if port != "6432" {
		address = unixPrefix + strings.TrimRight(dir, "/") + "/" + socketName + port
	}
	note := ""
	if !given {
		note = "PgBouncer's default"
	}
	b.doc.item("listener").set(at, "address", tomlString(address), note)
}

// writeEntrance writes a port of HAProxy's.
func (b *builder) writeEntrance(e *entrance, taken map[string]bool) {
	if e.role == "" {
		b.doc.remark(e.Place, "%s: %s; clients are led to the leader", e.name, e.why)
	}
	for _, bind := range e.binds {
		if taken[bind.address] {
			b.doc.remark(bind.Place, "%s is listened on already", bind.address)
			continue
		}
		taken[bind.address] = true
		t := b.doc.item("listener")
		t.set(bind.Place, "address", tomlString(bind.address), strings.TrimSpace("HAProxy's "+e.name))
		if e.role != "" {
			t.set(e.Place, "role", tomlString(e.role), e.why)
		}
		if bind.withTLS {
			b.doc.remark(bind.Place, "%s: HAProxy's ssl is TLS from the first byte, PostgreSQL's begins behind a request of its own: see [listener.tls]", e.name)
		}
		if b.ini != nil {
			b.writeClientTLS(t)
		}
	}
}

// writeClientTLS writes client_tls_... below a listener. PgBouncer looks at the
// certificates of clients with verify-ca and verify-full only.
func (b *builder) writeClientTLS(listener *table) {
	mode, at, _ := b.value("client_tls_sslmode")
	mode = strings.ToLower(mode)
	cert, certAt, _ := b.value("client_tls_cert_file")
	key, keyAt, _ := b.value("client_tls_key_file")
	ca, caAt, _ := b.value("client_tls_ca_file")
	if mode == "disable" || cert == "" && key == "" {
		if mode != "disable" {
			b.bad.add(at, "client_tls_sslmode %s needs client_tls_cert_file and client_tls_key_file", mode)
		}
		return
	}
	verify := mode == "verify-ca" || mode == "verify-full"
	ours, note := "require", ""
	if mode == "allow" || mode == "prefer" {
		ours = "prefer"
	}
	if verify {
		note = mode + ": with client_ca"
	}
	t := b.doc.below(listener, "tls")
	t.set(at, "mode", tomlString(ours), note)
	t.set(certAt, "cert", tomlString(b.FileName(cert)), "")
	t.set(keyAt, "key", tomlString(b.FileName(key)), "")
	switch {
	case ca == "" && verify:
		b.bad.add(at, "client_tls_sslmode %s needs client_tls_ca_file", mode)
	case ca == "":
	case verify:
		t.set(caAt, "client_ca", tomlString(b.FileName(ca)), "")
	default:
		t.lines = append(t.lines, line{key: "client_ca", value: tomlString(b.FileName(ca)), aside: true, at: caAt,
			note: "PgBouncer asks no client for a certificate with " + mode + "; with this none gets in without"})
	}
}
