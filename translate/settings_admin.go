package translate

import "portero/config"

// sslModes is libpq's words for TLS, as PgBouncer takes them on either side.
var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

const (
	whyService    = "the service manager's part (systemd, Kubernetes): Portero stays in the foreground"
	whyCiphers    = "Go's TLS library chooses what is safe, and changes it with its releases"
	whyWindows    = "of PgBouncer as a Windows service"
	whyOwnBuffers = "Portero sizes its buffers itself"
	whyResolver   = "Portero asks Go's resolver, each time that it opens a server"
)

var adminSettings = []setting{
	{name: "admin_users", kind: names, key: "admin.users"},
	{name: "stats_users", kind: names, key: "admin.stats_users"},
	{name: "conffile", noDefault: true, why: "the file is given on the command line"},
	{name: "pidfile", restart: true, why: whyService},
	{name: "user", noDefault: true, restart: true, why: whyService},
	{name: "job_name", deflt: "pgbouncer", restart: true, why: whyWindows},
	{name: "service_name", noDefault: true, restart: true, why: whyWindows},
	{name: "suspend_timeout", kind: seconds, deflt: "10", why: "Portero hands nothing over while it is suspended; SUSPEND waits for what is under way"},
}

var loginSettings = []setting{
	{name: "auth_type", kind: word, words: []string{"any", "trust", "plain", "md5", "cert", "hba", "ldap", "pam", "scram-sha-256"},
		deflt: "md5", key: "auth.method", inParts: true, show: showAuthType},
	{name: "auth_file", noDefault: true, key: "auth.users", inParts: true},
	{name: "auth_hba_file", key: "auth.hba_file", inParts: true},
	{name: "auth_ident_file", noDefault: true, key: "auth.ident_file", inParts: true},
	{name: "auth_ldap_options", noDefault: true, key: "auth.options", inParts: true, show: showLDAP},
	{name: "auth_user", noDefault: true, key: "auth.query_user", inParts: true},
	{name: "auth_query", deflt: defaultAuthQuery, key: "auth.query", inParts: true},
	{name: "auth_dbname", noDefault: true, key: "auth.query_database", inParts: true},
	{name: "auth_pam_confdir", noDefault: true, why: "PAM is asked where the system has it"},
	{name: "scram_iterations", kind: number, deflt: "4096", why: "Portero makes no secrets; those it is given have their own count"},
}

const defaultAuthQuery = "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM pg_authid WHERE rolname=$1 AND rolcanlogin"

var clientSettings = []setting{
	{name: "listen_addr", restart: true, key: "listener.address", inParts: true, show: showListenAddr},
	{name: "listen_port", kind: number, deflt: "6432", restart: true, key: "listener.address", inParts: true, show: showListenPort},
	{name: "listen_backlog", kind: number, deflt: "128", restart: true, why: "Portero asks for as long a queue as the kernel has (net.core.somaxconn)"},
	{name: "unix_socket_dir", deflt: "/tmp", restart: true, key: "listener.address", inParts: true, show: showSocketDir},
	{name: "unix_socket_mode", kind: number, deflt: "0777", restart: true, why: "the folder's own permissions say who gets to the socket"},
	{name: "unix_socket_group", restart: true, why: "the folder's own permissions say who gets to the socket"},
	{name: "so_reuseport", kind: onOff, deflt: "0", restart: true, why: "one process uses all cores: see loops"},
	{name: "peer_id", kind: number, deflt: "0", why: "one process uses all cores, so that no other has the server that is to be cancelled"},
	{name: "client_tls_sslmode", kind: word, words: sslModes, deflt: "disable", key: "listener.tls.mode", inParts: true, show: showClientMode},
	{name: "client_tls_key_file", key: "listener.tls.key", inParts: true, show: func(c *config.Config) string { return clientTLS(c).Key }},
	{name: "client_tls_cert_file", key: "listener.tls.cert", inParts: true, show: func(c *config.Config) string { return clientTLS(c).Cert }},
	{name: "client_tls_ca_file", key: "listener.tls.client_ca", inParts: true, show: func(c *config.Config) string { return clientTLS(c).ClientCA }},
	{name: "client_tls_protocols", deflt: "secure", why: "TLS 1.2 and 1.3, which is what PgBouncer's own \"secure\" means", convert: convertProtocols},
	{name: "client_tls_ciphers", deflt: "default", why: whyCiphers},
	{name: "client_tls13_ciphers", noDefault: true, why: whyCiphers},
	{name: "client_tls_ecdhcurve", deflt: "auto", why: whyCiphers},
	{name: "client_tls_dheparams", deflt: "auto", why: whyCiphers},
	{name: "client_login_timeout", kind: seconds, deflt: "60", key: "pool.client_login_timeout", convert: above0("client_login_timeout", "a login must end some time")},
	{name: "login_notify_message", why: "there is nothing like it"},
}

var networkSettings = []setting{
	{name: "tcp_defer_accept", kind: number, deflt: "1", why: "Portero always does so, as PgBouncer by default"},
	{name: "tcp_socket_buffer", kind: number, deflt: "0", why: "the kernel sizes them by what a connection carries"},
	{name: "tcp_keepalive", kind: onOff, deflt: "1", key: "pool.tcp_keepalive", convert: convertKeepalive, set: setKeepalive, show: showKeepalive},
	{name: "tcp_keepidle", kind: wholeSeconds, deflt: "0", key: "pool.tcp_keepalive", convert: convertKeepidle},
	{name: "tcp_keepintvl", kind: number, deflt: "0", why: "a silent connection ends after twice tcp_keepalive"},
	{name: "tcp_keepcnt", kind: number, deflt: "0", why: "a silent connection ends after twice tcp_keepalive"},
	{name: "tcp_user_timeout", kind: milliseconds, deflt: "0", key: "pool.tcp_user_timeout", convert: convertUserTimeout, set: setUserTimeout},
	{name: "dns_max_ttl", kind: seconds, deflt: "15", why: whyResolver},
	{name: "dns_nxdomain_ttl", kind: seconds, deflt: "15", why: whyResolver},
	{name: "dns_zone_check_period", kind: seconds, deflt: "0", why: whyResolver},
	{name: "resolv_conf", restart: true, why: whyResolver},
	{name: "pkt_buf", kind: number, deflt: "4096", restart: true, why: whyOwnBuffers},
	{name: "max_packet_size", kind: number, deflt: "2147483647", why: "large packets stream through, they are not kept"},
	{name: "sbuf_loopcnt", kind: number, deflt: "5", why: "what is done for a client in a turn is bounded by bytes"},
}

var logSettings = []setting{
	{name: "logfile", why: "the log goes to standard error, which the service manager keeps and turns over"},
	{name: "syslog", kind: onOff, deflt: "0", why: "the log goes to standard error, which the service manager keeps and turns over"},
	{name: "syslog_ident", deflt: "pgbouncer", why: "the log goes to standard error"},
	{name: "syslog_facility", deflt: "daemon", why: "the log goes to standard error"},
	{name: "verbose", kind: number, noDefault: true, key: "log.level", convert: convertVerbose, show: showVerbose},
	{name: "log_connections", kind: onOff, deflt: "1", key: "log.connections", inParts: true},
	{name: "log_disconnections", kind: onOff, deflt: "1", key: "log.connections", inParts: true},
	{name: "log_pooler_errors", kind: onOff, deflt: "1", why: "what a client is told when it ends stands in the line of its end"},
	{name: "log_stats", kind: onOff, deflt: "1", key: "log.stats_period", inParts: true, show: showLogStats},
	{name: "stats_period", kind: wholeSeconds, deflt: "60", key: "log.stats_period", inParts: true},
}
