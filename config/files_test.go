package config

import (
	"os"
	"strings"
	"testing"
)

func TestLoadReportsWrongFiles(t *testing.T) {
	inFolder(t)
	writePair(t, "a.crt", "a.key")
	writePair(t, "b.crt", "b.key")
	write(t, "not.pem", "hello")
	a, err := os.ReadFile("a.crt")
	if err != nil {
		t.Fatal(err)
	}
	good := string(a)
	write(t, "two.pem", "the first\n"+good+"the second\n"+good)
	write(t, "garbled.pem", good+strings.Replace(good, "\nMI", "\n*I", 1))
	write(t, "headless.pem", good+strings.Replace(good, "-----BEGIN", "----BEGIN", 1))
	write(t, "headed.pem", good+strings.Replace(good, "CERTIFICATE-----\n", "CERTIFICATE-----\nOwner: me\n\n", 1))
	write(t, "foreign.pem", good+"-----BEGIN CERTIFICATE-----\nTm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n")
	checkFaults(t, []faultCase{
		{"with one that is broken behind one that is not", `
[[listener]]
address = ":1"
tls = { cert = "a.crt", key = "a.key", client_ca = "two.pem" }
[[listener]]
address = ":2"
tls = { cert = "a.crt", key = "a.key", client_ca = "garbled.pem" }
[[cluster]]
name = "a"
hosts = ["h:1"]
tls = { mode = "require", ca = "foreign.pem" }
[[cluster]]
name = "b"
discovery = "patroni"
scope = "b"
[cluster.etcd]
endpoints = ["h:2379"]
tls = { ca = "headless.pem" }
[[cluster]]
name = "c"
hosts = ["h:2"]
tls = { mode = "require", ca = "headed.pem" }
[[route]]
cluster = "a"
`, []string{
			`7: listener[2].tls.client_ca: garbled.pem holds 2 blocks in PEM format of which 1 cannot be read`,
			`11: cluster[1].tls.ca: foreign.pem holds a certificate, number 2, that cannot be read: x509: malformed certificate`,
			`18: cluster[2].etcd.tls.ca: headless.pem holds 2 blocks in PEM format of which 1 cannot be read`,
			`22: cluster[3].tls.ca: headed.pem holds a certificate, number 2, that cannot be read: it has PEM headers`,
		}},
		{"of listeners", `
[[listener]]
address = ":1"
tls = { cert = "a.crt", key = "a.key", client_ca = "b.crt", mode = "require" }
[[listener]]
address = ":2"
tls = { cert = "a.crt" }
[[listener]]
address = ":3"
tls = { key = "a.key" }
[[listener]]
address = ":4"
[listener.tls]
cert = "a.crt"
key = "b.key"
client_ca = "not.pem"
mode = "allow"
[[listener]]
address = ":5"
[listener.tls]
cert = "absent.crt"
key = "absent.key"
client_ca = "absent.ca"
[[listener]]
address = ":6"
[listener.tls]
client_ca = "a.crt"
mode = "require"
[[listener]]
address = ":7"
tls = { cert = "not.pem", key = "." }
`, []string{
			`7: listener[2].tls.key: must be given, because cert is`,
			`10: listener[3].tls.cert: must be given, because key is`,
			`14: listener[4].tls.cert: cannot be used with key: tls: private key does not match public key`,
			`16: listener[4].tls.client_ca: not.pem holds no certificate in PEM format`,
			`17: listener[4].tls.mode: must be one of disable, prefer, require, not "allow"`,
			`21: listener[5].tls.cert: cannot read absent.crt: no such file or directory`,
			`22: listener[5].tls.key: cannot read absent.key: no such file or directory`,
			`23: listener[5].tls.client_ca: cannot read absent.ca: no such file or directory`,
			`27: listener[6].tls.client_ca: needs cert and key`,
			`28: listener[6].tls.mode: require needs cert and key`,
			`31: listener[7].tls.key: cannot read .: not a regular file`,
		}},
		{"client_ca beside what would let others in", `
[[listener]]
address = ":1"
tls = { cert = "a.crt", key = "a.key", client_ca = "b.crt" }
[[listener]]
address = ":2"
[listener.tls]
cert = "a.crt"
key = "a.key"
client_ca = "b.crt"
mode = "prefer"
[[listener]]
address = ":3"
[listener.tls]
mode = "disable"
cert = "a.crt"
key = "a.key"
client_ca = "b.crt"
[[listener]]
address = "unix:/run/portero"
[listener.tls]
cert = "a.crt"
key = "a.key"
client_ca = "b.crt"
[[listener]]
address = ":4"
tls = { client_ca = "b.crt" }
`, []string{
			`11: listener[2].tls.mode: must be require, or left out, with client_ca: prefer would let clients in without a certificate`,
			`15: listener[3].tls.mode: must be require, or left out, with client_ca: disable would let clients in without a certificate`,
			`22: listener[4].tls.cert: has no use on a Unix socket, whose clients come without TLS`,
			`23: listener[4].tls.key: has no use on a Unix socket, whose clients come without TLS`,
			`24: listener[4].tls.client_ca: has no use on a Unix socket, whose clients come without TLS`,
			`27: listener[5].tls.client_ca: needs cert and key`,
		}},
		{"of clusters", `
[[cluster]]
name = "a"
hosts = ["h:1"]
tls = { mode = "allow", ca = "absent.ca", cert = "a.crt" }
[[cluster]]
name = "b"
discovery = "patroni"
scope = "b"
[cluster.etcd]
endpoints = ["h:2379"]
[cluster.etcd.tls]
ca = "not.pem"
key = "a.key"
[cluster.rest]
ca = "not.pem"
cert = "a.crt"
`, []string{
			`5: cluster[1].tls.mode: must be one of disable, prefer, require, verify-ca, verify-full, not "allow"`,
			`5: cluster[1].tls.ca: cannot read absent.ca: no such file or directory`,
			`5: cluster[1].tls.key: must be given, because cert is`,
			`12: cluster[2].etcd.tls.cert: must be given, because key is`,
			`13: cluster[2].etcd.tls.ca: not.pem holds no certificate in PEM format`,
			`15: cluster[2].rest.key: must be given, because cert is`,
			`16: cluster[2].rest.ca: not.pem holds no certificate in PEM format`,
		}},
		{"of clusters, the CA and the mode", `
[[cluster]]
name = "a"
hosts = ["h:1"]
tls = { mode = "verify-ca" }
[[cluster]]
name = "b"
hosts = ["h:2"]
tls = { mode = "disable", ca = "a.crt" }
[[cluster]]
name = "c"
hosts = ["h:3"]
tls = { mode = "verify-ca", ca = "a.crt" }
[[cluster]]
name = "d"
hosts = ["h:4"]
tls = { mode = "verify-full" }
[[cluster]]
name = "e"
hosts = ["h:5"]
tls = { mode = "verify-ca", ca = 5 }
[[route]]
cluster = "a"
`, []string{
			`5: cluster[1].tls.mode: verify-ca needs ca; verify-full can use the system's`,
			`9: cluster[2].tls.ca: has no meaning with mode disable`,
			`21: cluster[5].tls.ca: must be a string, not a whole number`,
		}},
		{"of users", "[auth]\nusers = 'absent'", []string{
			`2: auth.users: cannot read absent: no such file or directory`,
		}},
		{"of users, beside rules", "[auth]\nusers = 'absent'\n[[auth.rule]]\ntype = 'local'\nmethod = 'trust'", []string{
			`2: auth.users: cannot read absent: no such file or directory`,
		}},
		{"given, and empty", `
[auth]
hba_file = ""
ident_file = ""
[[auth.rule]]
type = "host"
database = ["all"]
user = ["all"]
address = ""
method = "trust"
`, []string{
			`3: auth.hba_file: must not be empty: give it a value or leave it out`,
			`4: auth.ident_file: must not be empty: give it a value or leave it out`,
			`9: auth.rule[1].address: must not be empty: give it a value or leave it out`,
		}},
		{"of rules, and rules", "[auth]\nmethod = 'trust'\nhba_file = 'a.crt'\n[[auth.rule]]", []string{
			`2: auth.method: has no use beside rules: take it out, or the rules`,
			`3: auth.hba_file: cannot be given beside auth.rule: rules come from one place`,
		}},
		{"of maps, without rules", "[auth]\nident_file = 'a.crt'", []string{
			`2: auth.ident_file: has no use without rules: auth.rule or auth.hba_file`,
		}},
		{"of users, none", "[auth]\nusers = ''", []string{
			`2: auth.users: must be given with method scram-sha-256, or query_user`,
		}},
		{"of users, named beside trust", "[auth]\nmethod = 'trust'\nusers = 'absent'", []string{
			`3: auth.users: cannot read absent: no such file or directory`,
		}},
	})
}

func TestMissingUserlistIsAFaultOfAnEmptyFileToo(t *testing.T) {
	inFolder(t)
	if err := os.Remove("userlist.txt"); err != nil {
		t.Fatal(err)
	}
	_, err := loadText(t, "")
	want := "proxy.toml: auth.users: cannot read userlist.txt: no such file or directory"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
