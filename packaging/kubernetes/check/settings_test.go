package check

import (
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/BurntSushi/toml"
)

// settings is a proxy.toml, as far as the manifests have to fit it.
type settings struct {
	Admin    struct{ Address string }
	Listener []struct{ Address string }
	Route    []struct {
		Name      string
		Readiness *bool
	}
	Pool struct {
		ShutdownDelay   duration `toml:"shutdown_delay"`
		ShutdownTimeout duration `toml:"shutdown_timeout"`
	}
	Auth struct{ Users string }
}

type duration struct{ time.Duration }

func (d *duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	return err
}

// settings is the proxy.toml that a container is started with.
func (r *review) settings(p *pod, c *container) (cfg settings) {
	if len(c.Args) != 3 || !slices.Equal(c.Args[:2], []string{"serve", "--config"}) {
		r.fault("portero is started by %q", c.Args)
		return cfg
	}
	text, found := r.file(p, c, c.Args[2])
	if !found {
		r.fault("there is no %s", c.Args[2])
	}
	if _, err := toml.Decode(text, &cfg); err != nil {
		r.fault("%s: %v", c.Args[2], err)
	}
	if _, found := r.file(p, c, cfg.Auth.Users); !found {
		r.fault("there is no %s", cfg.Auth.Users)
	}
	return cfg
}

// file is what a container finds at a path, in a ConfigMap or a Secret.
func (r *review) file(p *pod, c *container, name string) (text string, found bool) {
	for _, m := range c.VolumeMounts {
		if m.MountPath != path.Dir(name) {
			continue
		}
		for _, v := range p.Volumes {
			var o *object
			switch {
			case v.Name != m.Name:
			case v.ConfigMap != nil:
				o = r.find("ConfigMap", v.ConfigMap.Name)
			case v.Secret != nil:
				o = r.find("Secret", v.Secret.SecretName)
			}
			if o != nil {
				text, found = o.Data[path.Base(name)]
				return text, found
			}
		}
	}
	return "", false
}

// end is that of a pod, which has to leave Portero the time that it takes.
func (r *review) end(p *pod, cfg settings) {
	takes := cfg.Pool.ShutdownDelay.Duration + cfg.Pool.ShutdownTimeout.Duration
	if has := time.Duration(p.TerminationGracePeriodSeconds) * time.Second; has <= takes {
		r.fault("Portero may take %s to end, and has %s", takes, has)
	}
}

// served are the paths that are there to be asked by kubelet, /metrics by Prometheus.
var served = []string{"/livez", "/readyz"}

func (r *review) probes(c *container, cfg settings, sidecar bool) {
	admin := portOf(cfg.Admin.Address)
	if host, _, _ := net.SplitHostPort(cfg.Admin.Address); host != "" && host != "0.0.0.0" && host != "::" {
		r.fault("kubelet does not reach %s", cfg.Admin.Address)
	}
	for what, p := range map[string]*probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
		if p == nil {
			if what != "readiness" || !sidecar {
				r.fault("there is no %sProbe", what)
			}
			continue
		}
		if port := c.port(p.HTTPGet.Port); port != admin {
			r.fault("the %sProbe asks at port %d, and the admin address is %s", what, port, cfg.Admin.Address)
		}
		at, err := url.Parse(p.HTTPGet.Path)
		if err != nil || !slices.Contains(served, at.Path) {
			r.fault("the %sProbe asks for %s", what, p.HTTPGet.Path)
			continue
		}
		if what == "liveness" && at.Path != "/livez" || what != "liveness" && at.Path != "/readyz" {
			r.fault("the %sProbe asks for %s", what, p.HTTPGet.Path)
		}
		for _, name := range at.Query()["route"] {
			if !cfg.hasRoute(name) {
				r.fault("the %sProbe asks for route %s, which is not in proxy.toml", what, name)
			}
		}
		if what == "startup" && len(at.Query()["route"]) == 0 {
			r.fault("the startupProbe asks for no route")
		}
	}
}

func (s *settings) hasRoute(name string) bool {
	for _, one := range s.Route {
		if one.Name == name {
			return true
		}
	}
	return false
}

func (s *settings) listensAt(port int) bool {
	for _, l := range s.Listener {
		if portOf(l.Address) == port {
			return true
		}
	}
	return false
}

// port is the number of a port that goes by name or number; 0: it is none of the container's.
func (c *container) port(p any) int {
	for _, one := range c.Ports {
		if one.Name == p || float64(one.ContainerPort) == p {
			return one.ContainerPort
		}
	}
	return 0
}

func portOf(address string) int {
	_, text, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(text)
	return n
}
