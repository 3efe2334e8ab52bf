package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"strconv"
	"time"
)

type object map[string]any

// writeConfig writes the member's patroni.yml; JSON is YAML.
func (m *Member) writeConfig() error {
	o := m.group.cluster.options
	text, err := json.MarshalIndent(object{
		"scope":     m.group.Scope,
		"namespace": o.Namespace,
		"name":      m.Name,
		"restapi":   object{"listen": m.REST, "connect_address": m.REST},
		"etcd3":     m.group.cluster.Etcd.patroniConfig(),
		"watchdog":  object{"mode": "off"},
		"tags":      m.tags,
		"bootstrap": object{
			"dcs":            o.dynamicConfig(),
			"post_bootstrap": m.group.cluster.postBootstrap(),
			"initdb": []any{
				object{"encoding": "UTF8"}, object{"locale": "C"}, "no-sync", "no-instructions",
			},
		},
		"postgresql": m.postgresConfig(),
	}, "", "  ")
	if err != nil {
		return err
	}
	return m.group.cluster.site.writeFile(m.configPath(), string(text))
}

func (m *Member) configPath() string { return filepath.Join(m.dir, "patroni.yml") }

func (e *Etcd) patroniConfig() object {
	config := object{"hosts": e.Endpoints()}
	if e.Username != "" {
		config["username"], config["password"] = e.Username, e.Password
	}
	if e.tls {
		config["protocol"], config["cacert"] = "https", e.Certificate.CA
	}
	return config
}

// dynamicConfig is what the first member writes to the config key.
func (o ClusterOptions) dynamicConfig() object {
	startTimeout := max(0, o.PrimaryStartTimeout)
	settings := serverSettings(o.MaxConnections, o.Fsync)
	maps.Copy(settings, o.Settings)
	return object{
		"ttl":           seconds(o.TTL),
		"loop_wait":     seconds(min(o.LoopWait, startLoopWait)),
		"retry_timeout": seconds(o.RetryTimeout),
		// Both names: the setting changed its own between Patroni 2 and 4.
		"master_start_timeout":    seconds(startTimeout),
		"primary_start_timeout":   seconds(startTimeout),
		"maximum_lag_on_failover": 16 << 20,
		"synchronous_mode":        o.Synchronous,
		"failsafe_mode":           o.Failsafe,
		"postgresql": object{
			"use_pg_rewind": true,
			"use_slots":     true,
			"parameters":    settings,
		},
	}
}

// peers are the addresses that servers and clients have.
func (c *Cluster) peers() string {
	if c.options.Network != nil {
		return c.options.Network.cidr()
	}
	return "127.0.0.1/32"
}

func (m *Member) postgresConfig() object {
	c := m.group.cluster
	parameters := object{"unix_socket_directories": m.SocketDir}
	if c.options.TLS {
		parameters["ssl"] = "on"
		parameters["ssl_cert_file"] = c.Certificate.Cert
		parameters["ssl_key_file"] = c.Certificate.Key
	}
	return object{
		"listen":          m.Address,
		"connect_address": m.Address,
		"data_dir":        m.DataDir,
		"bin_dir":         c.postgres,
		"pgpass":          filepath.Join(m.dir, "pgpass"),
		"authentication": object{
			"superuser":   object{"username": "postgres"},
			"replication": object{"username": "replicator"},
		},
		"parameters": parameters,
		"pg_hba": []string{
			"local all all trust",
			"host all postgres " + c.peers() + " trust",
			"host replication replicator " + c.peers() + " trust",
			"host all all " + c.peers() + " " + c.options.ClientAuth,
		},
		"basebackup": []any{object{"checkpoint": "fast"}, "no-sync"},
		"remove_data_directory_on_rewind_failure":     true,
		"remove_data_directory_on_diverged_timelines": true,
	}
}

// startLoopWait keeps a start short; Group.start sets the one that was asked for.
const startLoopWait = time.Second

// setLoopWait sets what dynamicConfig has left out; each member takes it up in its next loop.
func (m *Member) setLoopWait(ctx context.Context, d time.Duration) error {
	if d <= startLoopWait {
		return nil
	}
	_, err := m.ask(ctx, http.MethodPatch, "/config", object{"loop_wait": seconds(d)})
	return err
}

// postBootstrap is a command that makes role and database app. Patroni runs it with the
// server's connection string appended, before the first leader takes the leader key: whoever
// waits for that key finds both.
func (c *Cluster) postBootstrap() string {
	return filepath.Join(c.postgres, "psql") + ` --no-psqlrc --quiet --set ON_ERROR_STOP=1` +
		` --command "create role app login password 'app'"` +
		` --command "create database app owner app"`
}

func seconds(d time.Duration) int { return int(d / time.Second) }

// ask sends a request to the member's REST interface; body nil makes it a GET.
func (m *Member) ask(ctx context.Context, method, path string, body any) (string, error) {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		payload = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+m.REST+path, payload)
	if err != nil {
		return "", err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = refusal{response.StatusCode, string(text)}
	}
	if err != nil {
		return "", fmt.Errorf("%s %s of %s: %w", method, path, m.Name, err)
	}
	return string(text), nil
}

// refusal is an answer of the REST interface that is no success.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return "status " + strconv.Itoa(r.status) + ": " + r.text }
