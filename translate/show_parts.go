package translate

import (
	"net"
	"path"
	"strings"

	"portero/config"
)

// unixPrefix begins the address of a Unix socket, socketName its file.
const (
	unixPrefix = "unix:"
	socketName = ".s.PGSQL."
)

// showListenAddr is the hosts of all listeners, as listen_addr lists them.
func showListenAddr(cfg *config.Config) string {
	var hosts []string
	for _, l := range cfg.Listeners {
		host, _, err := net.SplitHostPort(l.Address)
		if err != nil || strings.HasPrefix(l.Address, unixPrefix) {
			continue
		}
		if host == "" {
			host = "*"
		}
		hosts = append(hosts, host)
	}
	return strings.Join(hosts, ",")
}

// showListenPort is the port of the first listener that has one.
func showListenPort(cfg *config.Config) string {
	for _, l := range cfg.Listeners {
		if _, port, err := net.SplitHostPort(l.Address); err == nil && !strings.HasPrefix(l.Address, unixPrefix) {
			return port
		}
	}
	return "6432"
}

func showSocketDir(cfg *config.Config) string {
	for _, l := range cfg.Listeners {
		if file, ok := strings.CutPrefix(l.Address, unixPrefix); ok {
			if strings.HasPrefix(path.Base(file), socketName) {
				return path.Dir(file)
			}
			return file
		}
	}
	return ""
}

func showAuthType(cfg *config.Config) string {
	a := &cfg.Auth
	switch {
	case a.HBAFile != "" || len(a.Rules) > 0:
		return "hba"
	case a.Method == "password":
		return "plain"
	}
	return a.Method
}

func showLDAP(cfg *config.Config) string {
	v, ok := field(cfg, "auth.options")
	if !ok || cfg.Auth.Method != "ldap" {
		return ""
	}
	options, _ := v.Interface().([]string)
	return strings.Join(options, " ")
}

// clientTLS is how the first listener has TLS that has it.
func clientTLS(cfg *config.Config) config.ListenerTLS {
	for _, l := range cfg.Listeners {
		if l.TLS.Cert != "" {
			return l.TLS
		}
	}
	return config.ListenerTLS{}
}

func showClientMode(cfg *config.Config) string {
	t := clientTLS(cfg)
	switch {
	case t.Cert == "":
		return "disable"
	case t.ClientCA != "":
		return "verify-full"
	}
	return t.Mode
}

func serverTLS(cfg *config.Config) config.ServerTLS {
	if len(cfg.Clusters) == 0 {
		return config.ServerTLS{}
	}
	return cfg.Clusters[0].TLS
}

func showServerMode(cfg *config.Config) string { return serverTLS(cfg).Mode }
func showServerCA(cfg *config.Config) string   { return serverTLS(cfg).CA }
func showServerCert(cfg *config.Config) string { return serverTLS(cfg).Cert }
func showServerKey(cfg *config.Config) string  { return serverTLS(cfg).Key }

func showKeepalive(cfg *config.Config) string { return showFlag(cfg.Pool.TCPKeepalive > 0) }

func showVerbose(cfg *config.Config) string {
	if cfg.Log.Level == "debug" {
		return "2"
	}
	return "0"
}

// showLogStats is whether there is a line with averages, which for us its period says.
func showLogStats(cfg *config.Config) string {
	if v, ok := field(cfg, "log.stats_period"); ok {
		return showFlag(!v.IsZero())
	}
	return "0"
}
