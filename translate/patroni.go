package translate

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// patroni is what a patroni.yml has for us.
type patroni struct {
	Place
	scope, namespace string
	endpoints        []string
	username         string
	password         string
	etcd             clientTLS3
	rest             clientTLS3
	citus            bool
	group            int              // of Citus, that this member is in
	addresses        []hostPort       // of this member's PostgreSQL
	oldEtcd          bool             // Patroni speaks etcd's old interface
	places           map[string]Place // by key, such as "etcd3.hosts"
}

// clientTLS3 is three files.
type clientTLS3 struct{ ca, cert, key string }

// yamlTable is a mapping of the file, with the lines of its keys.
type yamlTable struct {
	file  string
	name  string // "" for the file itself
	nodes map[string]*yaml.Node
	lines map[string]int
}

// readPatroni reads a patroni.yml. What else is in it is Patroni's own affair.
func readPatroni(name, text string, bad *faults) patroni {
	p := patroni{Place: Place{File: name}, namespace: "/service", places: make(map[string]Place)}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		bad.add(yamlPlace(name, err), "%s", yamlReason(err))
		return p
	}
	if len(root.Content) == 0 {
		bad.add(p.Place, "is empty")
		return p
	}
	top := tableOf(name, "", root.Content[0])
	if p.scope = top.text(&p, "scope"); p.scope == "" {
		bad.add(p.Place, "has no scope, which names the cluster")
	}
	if namespace := top.text(&p, "namespace"); strings.Trim(namespace, "/") != "" {
		p.namespace = "/" + strings.Trim(namespace, "/")
	}
	p.readEtcd(top, bad)
	p.readREST(top)
	p.citus = top.nodes["citus"] != nil
	p.note(top, "citus")
	p.group, _ = strconv.Atoi(top.table("citus").text(&p, "group"))
	p.readAddresses(top.table("postgresql"))
	return p
}

// note keeps where a key stands.
func (p *patroni) note(t yamlTable, key string) {
	if line := t.lines[key]; line > 0 {
		p.places[strings.TrimPrefix(t.name+"."+key, ".")] = Place{t.file, line}
	}
}

func (p *patroni) readEtcd(top yamlTable, bad *faults) {
	name := ""
	for _, candidate := range []string{"etcd3", "etcd"} {
		if top.nodes[candidate] != nil {
			name = candidate
			break
		}
	}
	if name == "" {
		for _, other := range []string{"consul", "zookeeper", "exhibitor", "kubernetes", "raft"} {
			if top.nodes[other] != nil {
				bad.add(Place{top.file, top.lines[other]}, "Portero follows Patroni in etcd, not in %s: leave this file out, and the servers are asked for their roles", other)
				return
			}
		}
		bad.add(p.Place, "has no etcd3: Portero follows Patroni in etcd")
		return
	}
	p.note(top, name)
	p.places["etcd"] = p.places[name]
	p.oldEtcd = name == "etcd"
	t := top.table(name)
	scheme := t.text(p, "protocol")
	p.username, p.password = t.text(p, "username"), t.text(p, "password")
	p.etcd = clientTLS3{t.text(p, "cacert"), t.text(p, "cert"), t.text(p, "key")}
	for _, e := range slices.Concat(t.list(p, "hosts"), t.list(p, "host"), t.list(p, "url"), t.list(p, "proxy")) {
		p.endpoints = append(p.endpoints, endpoint(scheme, e))
	}
	if len(p.endpoints) > 0 {
		return
	}
	if srv := t.text(p, "srv"); srv != "" {
		bad.add(Place{t.file, t.lines["srv"]}, "srv has no counterpart: name the endpoints of %s under hosts", srv)
		return
	}
	bad.add(p.places["etcd"], "%s has no hosts", name)
}

// endpoint is an address of etcd as Portero writes it: with https only where the
// file says so.
func endpoint(scheme, address string) string {
	if before, rest, ok := strings.Cut(address, "://"); ok {
		scheme, address = before, rest
	}
	address = strings.TrimRight(address, "/")
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		address = address[at+1:] // user and password of a url: the settings have them
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), "2379")
	}
	if scheme == "https" {
		return "https://" + address
	}
	return address
}

// readREST takes what patronictl is given to reach Patroni's REST interface.
func (p *patroni) readREST(top yamlTable) {
	ctl, rest := top.table("ctl"), top.table("restapi")
	p.rest = clientTLS3{ctl.text(p, "cacert"), ctl.text(p, "certfile"), ctl.text(p, "keyfile")}
	if p.rest.ca == "" {
		p.rest.ca = rest.text(p, "cafile")
		p.places["ctl.cacert"] = p.places["restapi.cafile"]
	}
}

func (p *patroni) readAddresses(postgres yamlTable) {
	for _, key := range []string{"connect_address", "listen"} {
		for _, a := range postgres.list(p, key) {
			host, text, err := net.SplitHostPort(a)
			if port, _ := strconv.Atoi(text); err == nil && port > 0 {
				p.addresses = append(p.addresses, hostPort{host, port})
			}
		}
	}
}

func tableOf(file, name string, node *yaml.Node) yamlTable {
	t := yamlTable{file, name, make(map[string]*yaml.Node), make(map[string]int)}
	for node != nil && node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node == nil || node.Kind != yaml.MappingNode {
		return t
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		t.nodes[key.Value], t.lines[key.Value] = node.Content[i+1], key.Line
	}
	return t
}

func (t yamlTable) table(name string) yamlTable { return tableOf(t.file, name, t.nodes[name]) }

// text is a scalar, "" for anything else.
func (t yamlTable) text(p *patroni, key string) string {
	node := t.nodes[key]
	if node == nil || node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		return ""
	}
	p.note(t, key)
	return node.Value
}

// list is a list, or a text with commas, which Patroni takes for one.
func (t yamlTable) list(p *patroni, key string) (items []string) {
	node := t.nodes[key]
	if node == nil {
		return nil
	}
	if node.Kind == yaml.SequenceNode {
		p.note(t, key)
		for _, item := range node.Content {
			items = append(items, item.Value)
		}
		return items
	}
	return strings.FieldsFunc(t.text(p, key), func(r rune) bool { return r == ',' || r == ' ' })
}

// yamlPlace is the line in an error of the library: "yaml: line 3: ...".
func yamlPlace(name string, err error) Place {
	line := 0
	fmt.Sscanf(err.Error(), "yaml: line %d:", &line) //nolint:errcheck // then it is the file
	return Place{name, line}
}

func yamlReason(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.HasPrefix(text, "line ") {
		_, text, _ = strings.Cut(text, ": ")
	}
	return "is no YAML: " + strings.ReplaceAll(text, "\n", " ")
}
