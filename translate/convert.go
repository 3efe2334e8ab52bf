package translate

import (
	"strconv"
	"strings"
	"time"
)

// most is what Portero takes for the servers of a pool: the most that a
// PostgreSQL can be set to have.
const most = 262143

// convertPoolSize has a pool without a limit, which PgBouncer writes as 0, end at
// PostgreSQL's own.
func convertPoolSize(given string) (toml, remark string) {
	n, _ := numberOf(given)
	if n == 0 {
		return strconv.Itoa(most), "no limit in PgBouncer, so that PostgreSQL's max_connections is the only one"
	}
	return strconv.Itoa(max(1, min(n, most))), ""
}

func convertMaxClients(given string) (toml, remark string) {
	n, _ := numberOf(given)
	if n < 1 {
		return "", "must be at least 1 in Portero: left at its default"
	}
	return strconv.Itoa(n), ""
}

// convertPrepared has PgBouncer's "off" left out: there is no such switch, and
// what a client does not prepare costs nothing.
func convertPrepared(given string) (toml, remark string) {
	n, _ := numberOf(given)
	if n < 1 {
		return "", "0 turns them off in PgBouncer; Portero carries prepared statements in every mode"
	}
	return strconv.Itoa(n), ""
}

// above0 leaves out a 0 that means "no limit", which Portero does not have there.
func above0(name, why string) func(string) (string, string) {
	return func(given string) (toml, remark string) {
		d, _ := secondsOf(given)
		if d == 0 {
			return "", "no limit in PgBouncer; in Portero " + why + ": left at its default"
		}
		return tomlDuration(d), ""
	}
}

// convertLifetime knows that 0 is "use it once" for PgBouncer, and never for us.
func convertLifetime(given string) (toml, remark string) {
	d, _ := secondsOf(given)
	if d == 0 {
		return tomlDuration(leastDuration), "0 in PgBouncer: a server is closed when its first client gives it back"
	}
	return tomlDuration(d), ""
}

func convertProtocols(given string) (toml, remark string) {
	remark = `TLS 1.2 and 1.3 are spoken, which is what PgBouncer's "secure" means`
	if strings.EqualFold(given, "all") || strings.Contains(given, "1.0") || strings.Contains(given, "1.1") {
		remark += "; older versions are refused"
	}
	return "", remark
}

// convertVerbose takes any verbosity for our one level below info.
func convertVerbose(given string) (toml, remark string) {
	n, _ := numberOf(given)
	switch {
	case n > 1:
		return tomlString("debug"), ""
	case n == 1:
		return "", "better left out: what PgBouncer tells at 1 is at level info here"
	}
	return tomlString("info"), ""
}

// convertKeepalive leaves out PgBouncer's default, under which the kernel waits
// for two hours.
func convertKeepalive(given string) (toml, remark string) {
	if n, _ := numberOf(given); n != 0 {
		return "", "on, as by Portero's default"
	}
	return tomlDuration(0), ""
}

func setKeepalive(value string) (toml string, err error) {
	if n, _ := numberOf(value); n != 0 {
		return tomlDuration(15 * time.Second), nil
	}
	return tomlDuration(0), nil
}

func convertKeepidle(given string) (toml, remark string) {
	d := wholeSeconds.durationOf(given)
	if d == 0 {
		return "", "0 is the kernel's two hours: left at Portero's default"
	}
	return tomlDuration(d), ""
}

func convertUserTimeout(given string) (toml, remark string) {
	d := milliseconds.durationOf(given)
	if d == 0 {
		return "", "better left out: 0 is the kernel's quarter of an hour, and a host that is gone is to be noticed within seconds"
	}
	toml, _ = setUserTimeout(given)
	return toml, ""
}

// setUserTimeout keeps to the second that Portero looks at it in.
func setUserTimeout(value string) (toml string, err error) {
	d := milliseconds.durationOf(value)
	if d > 0 {
		d = max(d, time.Second)
	}
	return tomlDuration(d), nil
}
