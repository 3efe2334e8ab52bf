package discovery

import "slices"

// warned is what the log has been warned of and that has not ended, one group or etcd each.
// Cluster.mu guards it.
type warned map[concern]struct{}

// concern is one group's part in a warning.
type concern struct {
	kind  WarningKind
	host  string
	group int // none where kind is of etcd: 0
}

func (w Warning) concerns() (all []concern) {
	if w.Kind == EtcdQuorum {
		return []concern{{w.Kind, hostKey(w.Host), 0}}
	}
	for _, g := range w.Groups {
		all = append(all, concern{w.Kind, hostKey(w.Host), g})
	}
	return all
}

// take returns the warnings of a View that have something new to say, and what of the former
// ones has ended. What a group was warned of does not end with its members: one that has
// been left with a single one, by a failover say, is as it was once the other is back.
func (w *warned) take(v *View) (begun, ended []Warning) {
	if *w == nil {
		*w = make(warned)
	}
	now := make(map[concern]bool)
	for _, warning := range v.Warnings {
		news := false
		for _, c := range warning.concerns() {
			now[c] = true
			if _, told := (*w)[c]; !told {
				(*w)[c], news = struct{}{}, true
			}
		}
		if news {
			begun = append(begun, warning)
		}
	}
	for c := range *w {
		if !now[c] && c.over(v) {
			delete(*w, c)
			ended = c.addTo(ended)
		}
	}
	for i := range ended {
		slices.Sort(ended[i].Groups)
	}
	return begun, ended
}

// over reports whether what was warned of has ended, and is not only out of sight.
func (c concern) over(v *View) bool {
	g := v.Groups[c.group]
	return c.kind == EtcdQuorum || g == nil || len(g.Members) > 1 && g.Holder() != ""
}

// addTo adds the concern to the warning that it was part of.
func (c concern) addTo(all []Warning) []Warning {
	i := slices.IndexFunc(all, func(w Warning) bool { return w.Kind == c.kind && w.Host == c.host })
	if i < 0 {
		i, all = len(all), append(all, Warning{Kind: c.kind, Host: c.host})
	}
	if c.kind != EtcdQuorum {
		all[i].Groups = append(all[i].Groups, c.group)
	}
	return all
}

// reportTopology logs what there is to warn of when it begins, and when it has ended.
func (c *Cluster) reportTopology(begun, ended []Warning) {
	for _, w := range begun {
		c.log.Warn("topology", "warning", w.String())
	}
	for _, w := range ended {
		c.log.Info("topology is better", "kind", w.Kind.word(), "host", w.Host, "groups", w.Groups)
	}
}

// word is what the log calls the kind.
func (k WarningKind) word() string {
	switch k {
	case EtcdQuorum:
		return "etcd on one host"
	case Undecided:
		return "asynchronous replication"
	}
	return "group on one host"
}
