package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

// Load reads the file at path, fills in what it leaves out and checks it, with
// the certificates and the user file that it names. File names in it are taken
// from its own folder; in the result they are joined with that folder. It
// blocks on the file system only. The caller owns the result. The checks may
// find more faults.
//
// An error is always of type Faults and holds all that is wrong. After a fault
// of TOML's own syntax, only the lines above it are searched for others, and
// only for unknown keys and wrong types.
func Load(path string, checks ...Check) (*Config, error) {
	cfg, _, err := Read(path, nil, checks...)
	return cfg, err
}

// noFile is the file's name in faults where there is none.
const noFile = "environment"

// Read is Load of a file and an environment, in the form of os.Environ: what
// both give is the environment's. Warnings are of variables that it does not
// know, each on one line. Without a path there is no file, names of files are
// taken from the current folder, and clients of this host are trusted unless
// something is given of [auth].
func Read(path string, environ []string, checks ...Check) (cfg *Config, warnings []string, err error) {
	if path == "" {
		return load("", "", environ, checks...)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, Faults{{File: path, Message: "cannot be read: " + reason(err)}}
	}
	return load(path, string(src), environ, checks...)
}

// Parse is Read of a text that is in no file. Its faults name path, and names of
// files in it are taken from the folder of path.
func Parse(path, src string, environ []string, checks ...Check) (cfg *Config, warnings []string, err error) {
	return load(path, src, environ, checks...)
}

func load(path, src string, environ []string, checks ...Check) (*Config, []string, error) {
	tree, err := parseTOML(src)
	if err != nil {
		return nil, nil, syntaxFaults(path, src, err)
	}
	r := newReport(path, keyLines(src))
	if path == "" {
		r.file, r.bare = noFile, true
	} else {
		r.hasRead(path, []byte(src))
	}
	over := &overlay{report: r, tree: tree, given: make(map[*setting]string)}
	warnings := over.apply(environ)
	over.complete()
	if r.bare {
		over.trust()
	}
	cfg := decoder{r}.config(tree)
	cfg.complete(filepath.Dir(path), r.given)
	c := checker{r, cfg}
	c.check()
	if r.bare {
		c.checkTrust()
	}
	for _, check := range checks {
		check(cfg, &Report{r})
	}
	if err := r.err(); err != nil {
		return nil, warnings, err
	}
	return cfg, warnings, nil
}

func parseTOML(src string) (map[string]any, error) {
	if line := scanLines(src).tooDeep; line > 0 {
		message := fmt.Sprintf("nested too deeply: at most %d names and lists in each other", maxDepth)
		return nil, toml.ParseError{Message: message, Position: toml.Position{Line: line}}
	}
	tree := map[string]any{}
	_, err := toml.Decode(src, &tree)
	return tree, err
}

// syntaxFaults is err, where the file stopped being TOML, and the faults of
// the lines above, if they are TOML by themselves.
func syntaxFaults(path, src string, err error) error {
	fault := Fault{File: path, Message: err.Error()}
	if at, ok := errors.AsType[toml.ParseError](err); ok {
		fault.Line, fault.Message = max(at.Position.Line, 0), at.Message
	}
	above := firstLines(src, fault.Line-1)
	r := newReport(path, keyLines(above))
	if tree, err := parseTOML(above); err == nil {
		decoder{r}.config(tree)
	}
	r.faults = append(r.faults, fault)
	return r.err()
}

// firstLines is the first n lines of src.
func firstLines(src string, n int) string {
	end := 0
	for range n {
		i := strings.IndexByte(src[end:], '\n')
		if i < 0 {
			break
		}
		end += i + 1
	}
	return src[:end]
}

// complete fills in what depends on other parts of the file. given is the keys
// that the file has.
func (c *Config) complete(dir string, given map[string]bool) {
	c.fillLists()
	for i := range c.Routes {
		r := &c.Routes[i]
		if !given[childKey(itemKey("route", i), "cluster")] && len(c.Clusters) == 1 {
			r.Cluster = c.Clusters[0].Name
		}
		if l := c.listener(r.Listener); l != nil {
			r.Listener = l.Address
		}
	}
	c.fillNames()
	c.fillRoles()
	c.fillLags(given)
	c.fillTLSModes(given)
	for _, name := range c.fileNames() {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(dir, *name)
		}
	}
	if !given["auth.users"] && c.Auth.mayLackUsers() {
		c.Auth.Users = ""
	}
}

// fillTLSModes has a listener with a client_ca take no client without TLS.
func (c *Config) fillTLSModes(given map[string]bool) {
	for i := range c.Listeners {
		t := &c.Listeners[i].TLS
		if t.ClientCA != "" && !given[childKey(childKey(itemKey("listener", i), "tls"), "mode")] {
			t.Mode = tlsRequire
		}
	}
}

// mayLackUsers says whether the default user file is not missed: it is not
// there, and perhaps nobody is asked for a password, which package auth finds
// out, or servers or directories know all of them. Who trusts everyone has to name the file to have servers' passwords in it.
func (a *Auth) mayLackUsers() bool {
	if !a.hasRules() && a.Method != authCert && a.QueryUser == "" {
		return a.Method == authTrust || a.asksOthers()
	}
	_, err := os.Stat(a.Users)
	return errors.Is(err, fs.ErrNotExist)
}

// hasRules says whether rules take the place of the one method.
func (a *Auth) hasRules() bool { return len(a.Rules) > 0 || a.HBAFile != "" }

// fileNames is all settings that name a file.
func (c *Config) fileNames() []*string {
	names := []*string{&c.Admin.Takeover, &c.Auth.Users, &c.Auth.HBAFile, &c.Auth.IdentFile}
	for i := range c.Listeners {
		t := &c.Listeners[i].TLS
		names = append(names, &t.Cert, &t.Key, &t.ClientCA)
	}
	for i := range c.Clusters {
		e, r, t := &c.Clusters[i].Etcd.TLS, &c.Clusters[i].REST, &c.Clusters[i].TLS
		names = append(names, &e.CA, &e.Cert, &e.Key, &r.CA, &r.Cert, &r.Key, &t.CA, &t.Cert, &t.Key)
	}
	return names
}
