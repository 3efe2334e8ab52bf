package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

const (
	unixPrefix = "unix:"
	// socketName is how libpq names a socket in a folder, before the port.
	socketName = ".s.PGSQL."
	// maxSocketPath is the most that a socket's address holds on Linux.
	maxSocketPath = 107
)

// checkListen says what is wrong with an address to listen on: host:port,
// where no host means all of them, or unix:/path.
func checkListen(address string) error {
	if strings.HasPrefix(address, unixPrefix) {
		return checkSocket(socketPath(address))
	}
	_, err := splitAddress(address)
	if port, every := strings.CutPrefix(address, "*:"); every && isPort(port) {
		return fmt.Errorf("%w; :%s alone listens on all", err, port)
	}
	return err
}

// checkHost says what is wrong with the address of a host: host:port.
func checkHost(address string) error {
	host, err := splitAddress(address)
	if err == nil && host == "" {
		return errors.New("has no host before the port")
	}
	return err
}

// checkEndpoint says what is wrong with the address of an etcd member:
// host:port, or the same after http:// or https://.
func checkEndpoint(endpoint string) error {
	if scheme, address, ok := strings.Cut(endpoint, "://"); ok {
		if scheme != "http" && scheme != "https" {
			return fmt.Errorf("must be host:port, http://host:port or https://host:port, not %q", endpoint)
		}
		endpoint = address
	}
	return checkHost(endpoint)
}

// splitAddress is the host of host:port, both checked.
func splitAddress(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.ContainsAny(host, " /@,") {
		return "", fmt.Errorf("must be host:port, not %q", address)
	}
	if !isPort(port) {
		return "", fmt.Errorf("port must be a number from 1 to 65535, not %q", port)
	}
	return host, checkHostName(host)
}

// checkHostName says why a host can be none. What looks like an address is not
// looked up as a name.
func checkHostName(host string) error {
	_, err := netip.ParseAddr(host)
	switch {
	case host == "*":
		return fmt.Errorf("host must be a name or an address, not %q", host)
	case err == nil || host == "":
		return nil
	case strings.Contains(host, ":"):
		return fmt.Errorf("%q is no IPv6 address", host)
	case strings.Trim(host, "0123456789.") == "":
		return fmt.Errorf("%q is no IPv4 address", host)
	}
	return nil
}

// checkPlace is checkListen, and says what is in the way of a socket at a unix:
// address. A folder that is not there yet is not: as a rule it is made with the service.
func checkPlace(address string) error {
	if err := checkListen(address); err != nil || !strings.HasPrefix(address, unixPrefix) {
		return err
	}
	file := socketPath(address)
	switch info, err := os.Lstat(file); {
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s is no folder", path.Dir(file))
	case err == nil && info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there already, and is no socket", file)
	}
	return nil
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

// socketPath is the file of a unix: address. A folder stands for the socket in
// it that libpq looks for on port 6432.
func socketPath(address string) string {
	file := path.Clean(strings.TrimPrefix(address, unixPrefix))
	if strings.HasPrefix(path.Base(file), socketName) {
		return file
	}
	return path.Join(file, socketName+"6432")
}

func checkSocket(file string) error {
	port := strings.TrimPrefix(path.Base(file), socketName)
	switch {
	case !path.IsAbs(file):
		return errors.New("path after unix: must be absolute")
	case !isPort(port):
		return fmt.Errorf("must end in a port from 1 to 65535 after %s, not %q", socketName, port)
	case len(file) > maxSocketPath:
		return fmt.Errorf("path of the socket must be at most %d bytes, not %d", maxSocketPath, len(file))
	}
	return nil
}

// sameAddress says whether a and b are one place to listen on.
func sameAddress(a, b string) bool {
	return placeOf(a) == placeOf(b)
}

func placeOf(address string) string {
	if strings.HasPrefix(address, unixPrefix) {
		return unixPrefix + socketPath(address)
	}
	return strings.ToLower(address)
}

// collide says whether only one of a and b can be listened on: the same place,
// or the same port where one of them takes every host.
func collide(a, b string) bool {
	if sameAddress(a, b) {
		return true
	}
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	return errA == nil && errB == nil && portA == portB && (everyHost(hostA) || everyHost(hostB))
}

func everyHost(host string) bool {
	return host == "" || host == "0.0.0.0" || host == "::"
}

// isOfThisHost says whether only who is on this host can reach an address.
func isOfThisHost(address string) bool {
	if strings.HasPrefix(address, unixPrefix) {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	ip, notIP := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || notIP == nil && ip.IsLoopback())
}
