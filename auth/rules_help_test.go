package auth

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// readHBA reads the text of a pg_hba.conf that may include the other files.
func readHBA(text string, others map[string]string) (rules []rule, faults []string) {
	records, faults := readRecords(text, others)
	for _, r := range records {
		b := hbaRule(r, func(format string, args ...any) {
			faults = append(faults, fmt.Sprintf("%s:%d: ", r.file, r.line)+fmt.Sprintf(format, args...))
		})
		if !b.faulty {
			rules = append(rules, b.rule)
		}
	}
	return rules, faults
}

// readIdent reads the text of a pg_ident.conf.
func readIdent(text string) (maps identMaps, faults []string) {
	records, faults := readRecords(text, nil)
	for _, r := range records {
		line, ok := newIdentLine(r, func(format string, args ...any) {
			faults = append(faults, fmt.Sprintf("%s:%d: ", r.file, r.line)+fmt.Sprintf(format, args...))
		})
		if ok {
			maps = append(maps, line)
		}
	}
	return maps, faults
}

func readRecords(text string, others map[string]string) (records []record, faults []string) {
	f := &recordFiles{
		read: func(name string) ([]byte, error) {
			text, ok := others[name]
			if !ok {
				return nil, fs.ErrNotExist
			}
			return []byte(text), nil
		},
		list: func(dir string) (names []string, err error) {
			for name := range others {
				if inside, ok := strings.CutPrefix(name, dir+"/"); ok {
					names = append(names, inside)
				}
			}
			if names == nil {
				return nil, fs.ErrNotExist
			}
			return names, nil
		},
		fault: func(file string, line int, format string, args ...any) {
			faults = append(faults, fmt.Sprintf("%s:%d: ", file, line)+fmt.Sprintf(format, args...))
		},
	}
	return f.records("pg_hba.conf", text), faults
}

func mustReadHBA(t testing.TB, text string) *Authenticator {
	t.Helper()
	rules, faults := readHBA(text, nil)
	if len(faults) > 0 {
		t.Fatal(strings.Join(faults, "\n"))
	}
	return &Authenticator{rules: rules, interfaces: twoInterfaces}
}

// twoInterfaces is a host on 127.0.0.1/8, 10.1.2.3/16 and fd00::1/64.
func twoInterfaces() (all []net.Addr, err error) {
	for _, cidr := range []string{"127.0.0.1/8", "10.1.2.3/16", "fd00::1/64", "10.99.0.1/0"} {
		ip, ipnet, err := net.ParseCIDR(cidr)
		if err != nil {
			return nil, err
		}
		all = append(all, &net.IPNet{IP: ip, Mask: ipnet.Mask})
	}
	return all, nil
}

// from is a client of an address, "" for a Unix socket, with TLS if it ends in
// "+tls".
func from(address, user, database string) *Arrival {
	c := &Arrival{User: user, Database: database}
	address, c.TLS = strings.CutSuffix(address, "+tls")
	if c.Local = address == ""; !c.Local {
		c.Address = netip.MustParseAddr(address)
	}
	return c
}
