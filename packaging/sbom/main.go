// Command sbom lists what a Go program was built of, as CycloneDX in JSON, and gathers the
// notices that the licenses of these modules want to have passed on.
//
//	{ echo "std $(go env GOROOT)"; go list -deps -f '{{with .Module}}{{.Path}} {{.Dir}}{{end}}' ./cmd/portero; } |
//		sbom -version 1.0 -license Apache-2.0 -bom portero.cdx.json -notices third-party.txt portero
//
// The modules are those that the Go tool chain has noted in the program (debug/buildinfo),
// and the standard library. Standard input says where the source of each module is, in which
// the license is looked for. The same program and source give the same files.
package main

import (
	"bufio"
	"bytes"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	version := flag.String("version", "", "`version` of the program")
	license := flag.String("license", "", "its license, an SPDX `identifier`")
	bom := flag.String("bom", "", "`file` to write the list to")
	notices := flag.String("notices", "", "`file` to write the notices to")
	flag.Parse()
	if err := run(*version, *license, *bom, *notices, flag.Arg(0), os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(version, license, bom, notices, program string, sources io.Reader) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	dirs, err := readSources(sources)
	if err != nil {
		return err
	}
	used := []module{{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, d := range info.Deps {
		m := module{path: d.Path, version: d.Version}
		if d.Replace != nil {
			m.version = d.Replace.Version
		}
		used = append(used, m)
	}
	var faults []error
	for i := range used {
		faults = append(faults, used[i].findLicense(dirs[used[i].path]))
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	var list bytes.Buffer
	if err := writeBOM(&list, info.Path, version, license, info, used); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(bom, list.Bytes(), 0o644), os.WriteFile(notices, noticesOf(used), 0o644))
}

// readSources reads lines of a module's path and its folder.
func readSources(r io.Reader) (map[string]string, error) {
	dirs := make(map[string]string)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if path, dir, ok := strings.Cut(lines.Text(), " "); ok {
			dirs[path] = dir
		}
	}
	return dirs, lines.Err()
}
