package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
)

// outside are the objects that pods need and others make.
var outside = []string{"Secret portero-etcd-tls", "Secret app-database"}

// review is what is found wrong with the objects of one folder.
type review struct {
	objects []object
	faults  []string
}

func (r *review) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// check says in lines what does not fit.
func check(objects []object) []string {
	r := &review{objects: objects}
	n := 0
	for i := range objects {
		if o := &objects[i]; o.Kind == "Deployment" {
			r.deployment(o)
			n++
		}
	}
	if n == 0 {
		r.fault("there is no Deployment")
	}
	return r.faults
}

func (r *review) find(kind, name string) *object {
	i := slices.IndexFunc(r.objects, func(o object) bool { return o.Kind == kind && o.Metadata.Name == name })
	if i < 0 {
		return nil
	}
	return &r.objects[i]
}

func (r *review) deployment(o *object) {
	p := &o.Spec.Template.Spec
	var of selector
	if json.Unmarshal(o.Spec.Selector, &of) != nil || !matches(of.MatchLabels, o.Spec.Template.Metadata.Labels) {
		r.fault("the selector of Deployment %s is not that of its pods", o.Metadata.Name)
	}
	if isFalse := p.AutomountServiceAccountToken; isFalse == nil || *isFalse {
		r.fault("pods of %s have a token for Kubernetes", o.Metadata.Name)
	}
	r.volumes(p)
	c, sidecar := portero(p)
	if c == nil {
		r.fault("there is no Portero in %s", o.Metadata.Name)
		return
	}
	for _, one := range slices.Concat(p.InitContainers, p.Containers) {
		r.security(p, &one)
	}
	cfg := r.settings(p, c)
	r.end(p, cfg)
	r.probes(c, cfg, sidecar)
	if sidecar {
		r.sidecar(p, c, cfg)
	} else {
		r.standalone(o, c, cfg)
	}
}

// portero is its container in a pod, which is an init container where it is a sidecar.
func portero(p *pod) (c *container, sidecar bool) {
	isIt := func(c container) bool { return c.Name == "portero" }
	if i := slices.IndexFunc(p.Containers, isIt); i >= 0 {
		return &p.Containers[i], false
	}
	if i := slices.IndexFunc(p.InitContainers, isIt); i >= 0 {
		return &p.InitContainers[i], true
	}
	return nil, false
}

// volumes are of objects that are there, and not mounted in a way in which they never change.
func (r *review) volumes(p *pod) {
	for _, v := range p.Volumes {
		name := ""
		switch {
		case v.ConfigMap != nil:
			name = "ConfigMap " + v.ConfigMap.Name
		case v.Secret != nil:
			name = "Secret " + v.Secret.SecretName
		default:
			continue
		}
		kind, of, _ := strings.Cut(name, " ")
		if r.find(kind, of) == nil && !slices.Contains(outside, name) {
			r.fault("there is no %s", name)
		}
	}
	for _, c := range slices.Concat(p.InitContainers, p.Containers) {
		for _, m := range c.VolumeMounts {
			if m.SubPath != "" {
				r.fault("%s of %s is mounted by subPath", m.MountPath, c.Name)
			}
			if !slices.ContainsFunc(p.Volumes, func(v volume) bool { return v.Name == m.Name }) {
				r.fault("%s of %s is no volume", m.Name, c.Name)
			}
		}
	}
}

func (r *review) security(p *pod, c *container) {
	for what, is := range map[string]bool{
		"may be root":              isTrue(c.SecurityContext.RunAsNonRoot) || isTrue(p.SecurityContext.RunAsNonRoot),
		"has no user":              user(c.SecurityContext, p.SecurityContext) > 0,
		"may write to its image":   isTrue(c.SecurityContext.ReadOnlyRootFilesystem),
		"may get more rights":      c.SecurityContext.AllowPrivilegeEscalation != nil && !*c.SecurityContext.AllowPrivilegeEscalation,
		"has capabilities":         slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"}),
		"has no seccomp profile":   c.SecurityContext.SeccompProfile.Type == "RuntimeDefault" || p.SecurityContext.SeccompProfile.Type == "RuntimeDefault",
		"has a registry or digest": !strings.ContainsAny(c.Image, "/@"),
	} {
		if !is {
			r.fault("container %s %s", c.Name, what)
		}
	}
}

func isTrue(b *bool) bool { return b != nil && *b }

func user(own, pods security) int {
	switch {
	case own.RunAsUser != nil:
		return *own.RunAsUser
	case pods.RunAsUser != nil:
		return *pods.RunAsUser
	}
	return 0
}

// standalone is a Portero for others than its pod.
func (r *review) standalone(o *object, c *container, cfg settings) {
	labels := o.Spec.Template.Metadata.Labels
	if n := o.Spec.Strategy.RollingUpdate.MaxUnavailable; n == nil || *n != 0 {
		r.fault("a rollout takes pods away before there are new ones")
	}
	if cfg.Pool.ShutdownDelay.Duration <= 0 {
		r.fault("there is no shutdown_delay for endpoints to be withdrawn")
	}
	if got := o.Spec.Template.Metadata.Annotations["prometheus.io/port"]; got != strconv.Itoa(portOf(cfg.Admin.Address)) {
		r.fault("Prometheus asks at port %s", got)
	}
	account := r.find("ServiceAccount", o.Spec.Template.Spec.ServiceAccountName)
	if account == nil || account.Automount == nil || *account.Automount {
		r.fault("there is no ServiceAccount %q without a token", o.Spec.Template.Spec.ServiceAccountName)
	}
	seen := make(map[string]bool)
	for i := range r.objects {
		one := &r.objects[i]
		var of map[string]string
		switch one.Kind {
		case "Service":
			json.Unmarshal(one.Spec.Selector, &of) //nolint:errcheck // then it selects nothing
			for _, p := range one.Spec.Ports {
				if !cfg.listensAt(c.port(p.TargetPort)) {
					r.fault("Service %s leads to port %v", one.Metadata.Name, p.TargetPort)
				}
			}
		case "PodDisruptionBudget":
			var s selector
			json.Unmarshal(one.Spec.Selector, &s) //nolint:errcheck // likewise
			of = s.MatchLabels
		case "NetworkPolicy":
			of = one.Spec.PodSelector.MatchLabels
			for _, in := range one.Spec.Ingress {
				for _, p := range in.Ports {
					if c.port(p.Port) == 0 {
						r.fault("NetworkPolicy %s is for port %v", one.Metadata.Name, p.Port)
					}
				}
			}
		default:
			continue
		}
		seen[one.Kind] = true
		if !matches(of, labels) {
			r.fault("%s %s is not for the pods of %s", one.Kind, one.Metadata.Name, o.Metadata.Name)
		}
	}
	if len(seen) != 3 {
		r.fault("there are only %v", slices.Sorted(maps.Keys(seen)))
	}
}

// matches reports whether a selector selects something, and these labels.
func matches(of, labels map[string]string) bool {
	for name, value := range of {
		if labels[name] != value {
			return false
		}
	}
	return len(of) > 0
}

// sidecar is a Portero for its pod alone.
func (r *review) sidecar(p *pod, c *container, cfg settings) {
	if c.RestartPolicy != "Always" {
		r.fault("portero is an init container that has to end")
	}
	for _, l := range cfg.Listener {
		if folder, isUnix := strings.CutPrefix(l.Address, "unix:"); isUnix {
			r.socket(p, c, folder)
		} else if host, _, _ := net.SplitHostPort(l.Address); !net.ParseIP(host).IsLoopback() {
			r.fault("%s is open to other pods", l.Address)
		} else {
			r.address(p, host, portOf(l.Address))
		}
	}
}

// address is where applications connect.
func (r *review) address(p *pod, host string, port int) {
	for i := range p.Containers {
		c := &p.Containers[i]
		if c.env("PGHOST") != host || c.env("PGPORT") != strconv.Itoa(port) {
			r.fault("container %s connects to %s:%s", c.Name, c.env("PGHOST"), c.env("PGPORT"))
		}
	}
}

// socket is in a folder that both sides have.
func (r *review) socket(p *pod, c *container, folder string) {
	shared := c.mounted(folder)
	for i := range p.Containers {
		one := &p.Containers[i]
		if shared == "" || one.mounted(folder) != shared || one.env("PGHOST") != folder || one.env("PGPORT") != "6432" {
			r.fault("container %s does not find the socket in %s", one.Name, folder)
		}
	}
	if !slices.ContainsFunc(p.Volumes, func(v volume) bool { return v.Name == shared && v.EmptyDir != nil }) {
		r.fault("%s is no folder of the pod's", folder)
	}
}

func (c *container) env(name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// mounted is the volume at a path; "" = none.
func (c *container) mounted(at string) string {
	for _, m := range c.VolumeMounts {
		if m.MountPath == at {
			return m.Name
		}
	}
	return ""
}
