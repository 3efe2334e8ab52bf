package translate

import (
	"net"
	"regexp"
	"strings"
	"testing"

	"portero/internal/lab"
)

// later is what PgBouncer 1.18 does not know yet.
var later = regexp.MustCompile(`(?m)^(peer_id|transaction_timeout|max_db_client_connections|max_user_client_connections|track_extra_parameters|` +
	`cancel_wait_timeout|query_wait_notify|scram_iterations|max_prepared_statements|auth_dbname|auth_ident_file)\s*=.*\n|` +
	` (max_db_client_connections|max_user_client_connections|reserve_pool_size|auth_dbname)=\w+|^clerk = pool_size=5`)

// elsewhere is what a test must not take for itself: addresses, and places outside of its folder.
var elsewhere = regexp.MustCompile(`(?m)^(listen_addr|listen_port|unix_socket_dir|logfile|pidfile|user|conffile)\s*=.*\n`)

// TestPgBouncerTakesTheTestsFiles shows that what is translated here are files that PgBouncer
// runs with.
func TestPgBouncerTakesTheTestsFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs PgBouncer")
	}
	for _, name := range inis(t) {
		t.Run(name, func(t *testing.T) {
			address := lab.AddressForTest(t)
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				t.Fatal(err)
			}
			text := elsewhere.ReplaceAllString(later.ReplaceAllStringFunc(testFile(t, name), keepName), "")
			i := strings.LastIndex(text, "[pgbouncer]\n") + len("[pgbouncer]\n")
			text = text[:i] + "listen_addr = " + host + "\nlisten_port = " + port + "\nunix_socket_dir =\n" + text[i:]
			files := sideFiles(t)
			files["pgbouncer.ini"], files["included.ini"] = text, testFile(t, "included.ini")
			if err := lab.PgBouncerTakes(t.Context(), files, address); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
}

// keepName leaves a user with something to say.
func keepName(found string) string {
	if strings.HasPrefix(found, "clerk") {
		return "clerk ="
	}
	return ""
}
