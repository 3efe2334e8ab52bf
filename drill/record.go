package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"portero/internal/lab"
	"portero/internal/page"
)

// record is one run as the file of runs keeps it, a line of JSON.
type record struct {
	Layout  string `json:"layout"`
	Setting string `json:"setting"`
	Event   string `json:"event"`
	page.Origin
	Figures *figures `json:"figures,omitempty"`
	Broken  string   `json:"broken,omitempty"` // why it was not brought to its end; then it has no figures
}

// cell is one row of the tables.
type cell struct {
	layout  *layout
	setting *setting
	event   *event
}

func (r record) cell() cell {
	return cell{byName(layouts, r.Layout, layoutName), byName(settings, r.Setting, settingName), byName(events, r.Event, eventName)}
}

// check refuses what this program could not put into its tables.
func (r record) check() error {
	c := r.cell()
	switch {
	case c.layout == nil:
		return fmt.Errorf("there is no layout %q any more", r.Layout)
	case c.setting == nil:
		return fmt.Errorf("there is no setting %q any more", r.Setting)
	case c.event == nil:
		return fmt.Errorf("there is no event %q any more", r.Event)
	case (r.Figures == nil) == (r.Broken == ""):
		return errors.New("a run has either figures or why it was not brought to its end")
	}
	return nil
}

// describe asks the machine and the programs for the origin of a run that begins now. What
// cannot be learned is left out.
func describe(program string, set *setting) page.Origin {
	servers := []string{page.FirstLine("etcd", "--version"), page.FirstLine("patroni", "--version")}
	if bin, err := lab.PostgresBin(); err == nil {
		servers = append(servers, page.FirstLine(bin+"/postgres", "--version"))
	}
	return page.Origin{
		Began:   time.Now().UTC().Truncate(time.Second),
		Portero: page.Portero(program),
		Machine: page.Machine(),
		Servers: strings.Join(servers, "; "),
		Patroni: set.name + ": " + set.what(),
		Command: "go run ./drill " + strings.Join(os.Args[1:], " "),
	}
}
