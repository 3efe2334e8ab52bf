package admin

import (
	"context"
	"slices"
	"strings"
	"time"

	"portero/metrics"
)

func (c *Console) groups() []metrics.GroupState {
	if c.o.Groups == nil {
		return nil
	}
	all := c.o.Groups()
	slices.SortFunc(all, metrics.CompareGroups)
	return all
}

func (c *Console) showGroups(context.Context) (*table, error) {
	t := newTable("sisqqqissssqqsssss", "cluster group leader epoch timeline epoch_changes members connected stale unconfirmed held held_ms behind_timeline paused standby switchover single_host warnings")
	for _, g := range c.groups() {
		t.add(g.Cluster, g.Group, orNull(g.Leader), g.Epoch, g.Timeline, g.EpochChanges, len(g.Members), yesNo(g.Connected), yesNo(g.Stale), yesNo(g.Unconfirmed),
			orNull(g.Held), int64(1000*g.HeldSeconds), numberOrNull(g.Behind), yesNo(g.Paused), yesNo(g.Standby), orNull(g.Switchover),
			orNull(g.SingleHost), orNull(strings.Join(g.Warnings, "; ")))
	}
	return t, nil
}

// showMembers has lag as NULL where it is not known.
func (c *Console) showMembers(context.Context) (*table, error) {
	t := newTable("sisssssqqqssi", "cluster group member leader address role state timeline lag lag_ms host zone servers")
	for _, g := range c.groups() {
		for _, m := range g.Members {
			lag, lagTime := any(nil), any(nil)
			if m.Lag >= 0 {
				lag = m.Lag
			}
			if m.Measured {
				lagTime = m.LagTime.Milliseconds()
			}
			t.add(g.Cluster, g.Group, m.Name, yesNo(m.Name == g.Leader), m.Address, orNull(m.Role), orNull(m.State), m.Timeline, lag, lagTime, orNull(m.Host), orNull(m.Zone), m.Servers)
		}
	}
	return t, nil
}

// showFailovers has the last ones, the newest first. What has not happened is NULL.
func (c *Console) showFailovers(context.Context) (*table, error) {
	t := newTable("sissqqsssssssiqqqqq", "cluster group from to epoch timeline announced held lost elected proved released called_off clients_held failed unknown repeated resolved cut")
	if c.o.Failovers == nil {
		return t, nil
	}
	for _, f := range c.o.Failovers() {
		t.add(f.Cluster, f.Group, orNull(f.From), orNull(f.To), f.Epoch, numberOrNull(f.Timeline),
			moment(f.Announced), moment(f.Held), moment(f.Lost), moment(f.Elected), moment(f.Proved), moment(f.Released), moment(f.CalledOff), f.ClientsHeld,
			f.Outcomes.Failed, f.Outcomes.Unknown, f.Outcomes.Repeated, f.Outcomes.Resolved, f.Outcomes.Cut)
	}
	return t, nil
}

func numberOrNull(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return timestamp(t)
}

// timestamp has milliseconds, by which failovers are told.
func timestamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05.000 MST") }
