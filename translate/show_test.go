package translate

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"portero/config"
)

// reference is every setting of PgBouncer's [pgbouncer], of 1.25 and of what comes after it,
// with those that it reads at its start only in capitals.
const reference = `LISTEN_ADDR LISTEN_PORT LISTEN_BACKLOG UNIX_SOCKET_DIR UNIX_SOCKET_MODE UNIX_SOCKET_GROUP USER SO_REUSEPORT peer_id
tcp_defer_accept tcp_keepalive tcp_keepcnt tcp_keepidle tcp_keepintvl tcp_user_timeout tcp_socket_buffer PKT_BUF max_packet_size
sbuf_loopcnt logfile PIDFILE syslog syslog_ident syslog_facility verbose conffile JOB_NAME SERVICE_NAME dns_max_ttl
dns_nxdomain_ttl dns_zone_check_period RESOLV_CONF pool_mode max_client_conn default_pool_size min_pool_size reserve_pool_size
reserve_pool_timeout max_db_connections max_db_client_connections max_user_connections max_user_client_connections
server_round_robin max_prepared_statements TRACK_EXTRA_PARAMETERS ignore_startup_parameters DISABLE_PQEXEC
application_name_add_host server_lifetime server_idle_timeout server_connect_timeout server_login_retry server_reset_query
server_reset_query_always server_check_delay server_check_query server_fast_close autodb_idle_timeout pool_idle_timeout
suspend_timeout client_login_timeout query_wait_timeout query_wait_notify cancel_wait_timeout query_timeout
idle_transaction_timeout transaction_timeout client_idle_timeout auth_type auth_file auth_hba_file auth_ident_file
auth_ldap_options scram_iterations auth_user auth_query auth_dbname admin_users stats_users client_tls_sslmode
client_tls_key_file client_tls_cert_file client_tls_ca_file client_tls_protocols client_tls_ciphers client_tls13_ciphers
client_tls_ecdhcurve client_tls_dheparams server_tls_sslmode server_tls_ca_file server_tls_key_file server_tls_cert_file
server_tls_protocols server_tls_ciphers server_tls13_ciphers log_connections log_disconnections log_pooler_errors log_stats
stats_period login_notify_message auth_pam_confdir`

func TestEverySettingOfPgBouncerIsInTheTable(t *testing.T) {
	all := strings.Fields(reference)
	for _, name := range all {
		s := settingOf(strings.ToLower(name))
		if s == nil {
			t.Errorf("%s is not there", name)
		} else if s.restart != (name == strings.ToUpper(name)) {
			t.Errorf("%s: is it read at the start only? %t", name, s.restart)
		}
	}
	if len(settings) != len(all) {
		t.Errorf("%d settings, want %d", len(settings), len(all))
	}
}

// A setting is taken over, or there is a reason why it is not.
func TestEverySettingHasAKeyOrAReason(t *testing.T) {
	for i := range settings {
		s := &settings[i]
		if (s.key == "") != (s.why != "") {
			t.Errorf("%s: key %q, reason %q", s.name, s.key, s.why)
		}
		if err := s.check(s.deflt); err != nil && !s.noDefault {
			t.Errorf("%s: its default %q %v", s.name, s.deflt, err)
		}
		if s.always && s.key == "" || s.inParts && s.convert != nil {
			t.Errorf("%s is written in two ways, or in none", s.name)
		}
	}
}

// The row of a setting writes what the configuration takes.
func TestWhatSetGivesIsOfTheTypeThatTheConfigurationHas(t *testing.T) {
	for i := range settings {
		s := &settings[i]
		for _, value := range []string{"7", "0", "a", s.deflt} {
			if s.check(value) != nil {
				continue
			}
			key, toml, err := Set(s.name, value)
			if err != nil {
				continue
			}
			table, name, _ := strings.Cut(key, ".")
			if err := accepts("proxy.toml", "["+table+"]\n"+name+" = "+toml+"\n"); err != nil && !strings.Contains(err.Error(), "userlist.txt") {
				t.Errorf("SET %s = '%s': %v", s.name, value, err)
			}
		}
	}
}

func TestSet(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"query_wait_timeout", "1.5", `pool.query_wait_timeout = "1.5s"`},
		{"query_wait_timeout", "0", `pool.query_wait_timeout = "0s"`},
		{"query_wait_timeout", "1e3", `pool.query_wait_timeout = "16m40s"`},
		{"query_wait_timeout", "3600", `pool.query_wait_timeout = "1h"`},
		{"query_wait_timeout", "0.0000001", `pool.query_wait_timeout = "0s"`},
		{"query_wait_timeout", "0.00001", `pool.query_wait_timeout = "1ms"`},
		{"query_wait_timeout", "1e300", `pool.query_wait_timeout = "876000h"`},
		{"query_wait_timeout", "5s", `must be a number of seconds, not "5s"`},
		{"query_wait_notify", "1.5", `must be a whole number, not "1.5"`},
		{"default_pool_size", "0x10", "pool.pool_size = 16"},
		{"default_pool_size", "010", "pool.pool_size = 8"},
		{"default_pool_size", "0", "pool.pool_size = 262143"},
		{"default_pool_size", "1_0", `must be a whole number, not "1_0"`},
		{"pool_mode", "Transaction", `pool.pool_mode = "transaction"`},
		{"pool_mode", "tx", `must be one of session, transaction, statement, not "tx"`},
		{"server_lifetime", "0", `pool.server_lifetime = "1ms"`},
		{"tcp_keepalive", "1", `pool.tcp_keepalive = "15s"`},
		{"tcp_keepalive", "0", `pool.tcp_keepalive = "0s"`},
		{"tcp_user_timeout", "1500", `pool.tcp_user_timeout = "1.5s"`},
		{"tcp_user_timeout", "5", `pool.tcp_user_timeout = "1s"`},
		{"application_name_add_host", "2", "pool.application_name_add_host = true"},
		{"admin_users", "a, b c", `admin.users = ["a", "b", "c"]`},
		{"verbose", "2", `log.level = "debug"`},
		{"verbose", "0", `log.level = "info"`},
		{"log_connections", "0", "log.connections = false"},
		{"client_login_timeout", "0", "no limit in PgBouncer; in Portero a login must end some time: left at its default"},
		{"listen_port", "1", "cannot be changed without a restart"},
		{"auth_type", "trust", "is changed in the file, and by a reload"},
		{"pkt_buf", "1", "cannot be changed without a restart"},
		{"dns_max_ttl", "1", "has no counterpart in Portero: Portero asks Go's resolver, each time that it opens a server"},
		{"colour", "red", "no such setting"},
	} {
		key, toml, err := Set(c.key, c.value)
		got := key + " = " + toml
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("SET %s = '%s': %s, want %s", c.key, c.value, got, c.want)
		}
	}
}

// row is the line of SHOW CONFIG for a setting.
func row(t *testing.T, cfg *config.Config, key string) Row {
	t.Helper()
	rows := Show(cfg)
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Key == key })
	if i < 0 {
		t.Fatalf("no row %s", key)
	}
	return rows[i]
}

func TestShowHasTheValuesOfTheConfigurationInPgBouncersUnits(t *testing.T) {
	cfg := config.Default()
	cfg.Pool.QueryWaitTimeout = 1500 * time.Millisecond
	cfg.Pool.ServerLifetime = 100 * time.Hour
	cfg.Pool.TCPKeepalive = 0
	cfg.Pool.TCPUserTimeout = 2 * time.Second
	cfg.Log.Connections = false
	cfg.Auth = config.Auth{Method: "password", Users: "users.txt"}
	cfg.Listeners = []config.Listener{{Address: "unix:/run/x/.s.PGSQL.7"}, {Address: ":6543", TLS: config.ListenerTLS{Mode: "require", Cert: "c", Key: "k"}},
		{Address: "127.0.0.1:6543"}}
	cfg.Clusters[0].TLS = config.ServerTLS{Mode: "verify-ca", CA: "ca"}
	for key, want := range map[string]string{
		"query_wait_timeout": "1.5", "server_lifetime": "360000", "tcp_keepalive": "0", "tcp_user_timeout": "2000", "tcp_keepidle": "0",
		"log_connections": "0", "log_disconnections": "0", "auth_type": "plain", "auth_file": "users.txt", "listen_addr": "*,127.0.0.1",
		"listen_port": "6543", "unix_socket_dir": "/run/x", "client_tls_sslmode": "require", "client_tls_key_file": "k",
		"server_tls_sslmode": "verify-ca", "server_tls_ca_file": "ca", "pool_mode": "transaction", "default_pool_size": "20",
		"query_wait_notify": "5", "max_client_conn": "10000", "pkt_buf": "4096", "server_check_query": "<empty>", "verbose": "0",
	} {
		if got := row(t, cfg, key).Value; got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if got, want := row(t, cfg, "listen_port"), (Row{"listen_port", "6543", "6432", false}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := row(t, cfg, "query_wait_timeout"), (Row{"query_wait_timeout", "1.5", "120", true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if rows := Show(cfg); !slices.IsSortedFunc(rows, func(a, b Row) int { return strings.Compare(a.Key, b.Key) }) || len(rows) != len(settings)-1 {
		t.Errorf("%d rows, or not in the order of their names", len(rows))
	}
}

// What an import has written is shown as the file had it.
func TestWhatIsTranslatedIsShownAgainAsItWas(t *testing.T) {
	dir := withFiles(t)
	text := withoutAwaited(translated(t, "every.ini").TOML)
	cfg, _, err := config.Parse(dir+"/proxy.toml", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, r := range Show(cfg) {
		shown[r.Key] = r.Value
	}
	var bad faults
	f := readINI("every.ini", testFile(t, "every.ini"), nil, &bad)
	compared := 0
	given, _ := f.section(mainSection)
	for _, e := range given {
		s := settingOf(e.key)
		if s.key == "" || slices.Contains(awaited, s.key) || slices.Contains([]string{
			"log_disconnections", "auth_file", "max_prepared_statements", "log_stats"}, e.key) || strings.Contains(e.key, "_tls_") {
			continue // no counterpart, not yet one, or by another name
		}
		compared++
		if shown[e.key] != e.value {
			t.Errorf("%s: %q is shown, the file has %q", e.key, shown[e.key], e.value)
		}
	}
	if compared < 20 {
		t.Errorf("only %d settings compared", compared)
	}
}

func TestErrorsOfSetAreToBeToldApart(t *testing.T) {
	for key, want := range map[string]error{"colour": ErrUnknown, "listen_addr": ErrFixed, "auth_file": ErrInFile, "dns_max_ttl": ErrNone} {
		if _, _, err := Set(key, "1"); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", key, err, want)
		}
	}
}

func TestAFieldIsFoundByItsNameInTheFile(t *testing.T) {
	v, ok := field(config.Default(), "pool.pool_size")
	if !ok || v.Kind() != reflect.Int || v.Int() != 20 {
		t.Errorf("pool.pool_size: %v %t", v, ok)
	}
	for _, key := range []string{"pool.colour", "pool.pool_size.x", "colour"} {
		if _, ok := field(config.Default(), key); ok {
			t.Errorf("%s is found", key)
		}
	}
}
