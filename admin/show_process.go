package admin

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strings"
	"time"
)

func (c *Console) showVersion(context.Context) (*table, error) {
	t := newTable("s", "version")
	t.add("PgBouncer " + imitatedVersion)
	return t, nil
}

func (c *Console) showConfig(context.Context) (*table, error) {
	t := newTable("ssss", "key value default changeable")
	if c.o.Settings == nil {
		return t, nil
	}
	for _, s := range c.o.Settings() {
		t.add(s.Key, s.Value, s.Default, yesNo(s.Changeable))
	}
	return t, nil
}

func (c *Console) showState(context.Context) (*table, error) {
	holding := ""
	if c.o.Holding != nil {
		holding = c.o.Holding()
	}
	t := newTable("ss", "key value")
	t.add("active", yesNo(holding == ""))
	t.add("paused", yesNo(holding == "paused"))
	t.add("suspended", yesNo(holding == "suspended"))
	return t, nil
}

// memory is what there is in place of PgBouncer's slabs: the classes of the Go runtime. Their
// size is a kB, so that int4 has room for more than 2 GB.
var memory = []struct{ name, used, free string }{
	{"heap", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes"},
	{"stacks", "/memory/classes/heap/stacks:bytes", ""},
	{"os_stacks", "/memory/classes/os-stacks:bytes", ""},
	{"runtime", "/memory/classes/metadata/other:bytes", ""},
}

func (c *Console) showMemory(context.Context) (*table, error) {
	t := newTable("siiii", "name size used free memtotal")
	for _, m := range memory {
		used, free := readMemory(m.used), readMemory(m.free)
		t.add(m.name, 1024, used/1024, free/1024, used+free)
	}
	return t, nil
}

func readMemory(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	if metrics.Read(sample); sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// showPortero says what PgBouncer's tables have no place for.
func (c *Console) showPortero(context.Context) (*table, error) {
	t := newTable("ss", "name value")
	t.add("version", c.o.Version)
	t.add("go", runtime.Version())
	t.add("console", "PgBouncer "+imitatedVersion)
	t.add("started", timestamp(c.o.Started))
	t.add("uptime", time.Since(c.o.Started).Round(time.Second).String())
	if c.o.Listeners != nil {
		t.add("listeners", strings.Join(c.o.Listeners(), ", "))
	}
	if c.o.Ready != nil {
		why := c.o.Ready()
		t.add("ready", yesNo(len(why) == 0))
		t.add("not_ready", strings.Join(why, "; "))
	}
	if p := c.o.Process; p != nil {
		t.add("clients_limit", fmt.Sprint(p.ClientsLimit.Load()))
		t.add("servers_limit", fmt.Sprint(p.ServersLimit.Load()))
		t.add("clients_accepted", fmt.Sprint(p.ClientsAccepted.Load()))
		t.add("logins", fmt.Sprint(p.LoginsInFlight.Load()))
		t.add("panics", fmt.Sprint(p.Panics.Load()))
		t.add("log_lines_lost", fmt.Sprint(p.LogLinesLost.Load()))
	}
	if c.o.Candidates != nil {
		s := c.o.Candidates()
		t.add("candidates", fmt.Sprint(s.Pools))
		t.add("candidates_waiting", fmt.Sprint(s.ClientsWaiting))
	}
	return t, nil
}
