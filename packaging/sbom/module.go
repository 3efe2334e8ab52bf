package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// module is one that a program was built of.
type module struct {
	path, version string
	licenses      []string // SPDX identifiers, by the texts in its folder
	notices       []notice
}

// notice is a file that goes with the module wherever that goes.
type notice struct {
	name string
	text []byte
}

var isNotice = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright|patents)([-.].*)?$`)

// findLicense reads the notices at the root of the module's source. One without a license that
// is known by its text is an error: somebody has to look at it before it is passed on.
func (m *module) findLicense(dir string) error {
	if dir == "" {
		return fmt.Errorf("module %s: it is not said where its source is", m.path)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("module %s: %w", m.path, err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !isNotice.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("module %s: %w", m.path, err)
		}
		m.notices = append(m.notices, notice{e.Name(), text})
		if strings.HasPrefix(strings.ToUpper(e.Name()), "PATENTS") {
			continue // it goes along, and is no license
		}
		for _, match := range licensecheck.Scan(text).Match {
			if !slices.Contains(m.licenses, match.ID) && !match.IsURL {
				m.licenses = append(m.licenses, match.ID)
			}
		}
	}
	if len(m.licenses) == 0 {
		return fmt.Errorf("module %s: no license is known in %s", m.path, dir)
	}
	slices.Sort(m.licenses)
	return nil
}

// noticesOf are all notices, each with the module that it belongs to.
func noticesOf(used []module) []byte {
	var out bytes.Buffer
	fmt.Fprintln(&out, "Portero is linked with these modules. What their licenses ask to be passed on follows.")
	for _, m := range used {
		for _, n := range m.notices {
			fmt.Fprintf(&out, "\n==== %s %s: %s ====\n\n%s\n", m.path, m.version, n.name, bytes.TrimSpace(n.text))
		}
	}
	return out.Bytes()
}
