package main

import (
	"debug/buildinfo"
	"io"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// writeBOM writes the list. It has no serial number and no time, which would differ between
// two builds of one source.
func writeBOM(w io.Writer, main, version, license string, info *buildinfo.BuildInfo, used []module) error {
	program := component(cdx.ComponentTypeApplication, module{path: main, version: version, licenses: []string{license}})
	program.Properties = settings(info)
	list, refs := make([]cdx.Component, 0, len(used)), make([]string, 0, len(used))
	for _, m := range used {
		c := component(cdx.ComponentTypeLibrary, m)
		list, refs = append(list, c), append(refs, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &program}
	bom.Components = &list
	bom.Dependencies = &[]cdx.Dependency{{Ref: program.BOMRef, Dependencies: &refs}}
	return cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
}

func component(kind cdx.ComponentType, m module) cdx.Component {
	purl := "pkg:golang/" + m.path + "@" + strings.ReplaceAll(m.version, "+", "%2B") // purl-spec: "+" is encoded
	licenses := make(cdx.Licenses, 0, len(m.licenses))
	for _, id := range m.licenses {
		licenses = append(licenses, cdx.LicenseChoice{License: &cdx.License{ID: id}})
	}
	return cdx.Component{Type: kind, BOMRef: purl, Name: m.path, Version: m.version, PackageURL: purl, Licenses: &licenses}
}

// settings are those of the build that say what the program can run on.
func settings(info *buildinfo.BuildInfo) *[]cdx.Property {
	out := []cdx.Property{{Name: "go:version", Value: info.GoVersion}}
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS", "GOARCH", "GOAMD64", "GOARM64", "CGO_ENABLED", "-tags", "-trimpath", "-buildmode":
			out = append(out, cdx.Property{Name: "go:build:" + s.Key, Value: s.Value})
		}
	}
	return &out
}
