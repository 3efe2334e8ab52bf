package main

import (
	"fmt"
	"math"
	"strings"

	"portero/internal/page"
)

// host is a machine on paper that an instance runs on.
type host struct {
	cores  float64
	memory float64 // bytes
	files  int     // LimitNOFILE of the service
}

// What the page reckons with.
const (
	manyOnPaper = 100_000 // clients
	fullLoad    = 0.7     // of its cores that an instance may use: the rest is for peaks, and for an instance that is lost
)

var (
	paperHost  = host{cores: 4, memory: 8e9, files: 65536} // as packaging/debian/portero.service has it
	moreFiles  = 1 << 20                                   // fs.nr_open: the most without another word to the kernel
	paperRates = []float64{0.01, 0.1, 1}                   // transactions per second of each client
)

// bound is how many clients of an instance one thing allows.
type bound struct {
	what    string
	formula string
	clients float64
}

// bounds are those of a host whose clients ask at a rate; where slopes are missing there is none.
func (s slopes) bounds(h host, rate float64, encrypted bool) []bound {
	all := []bound{{"descriptors", "3/4 x F - 700", float64(porteroRoom(h.files))}}
	each, letter := s.idle, "m"
	if encrypted {
		each, letter = s.idleTLS, "mt"
	}
	if s.idle > 0 && s.idleTLS > 0 {
		all = append(all, bound{"memory", "(M - B) / (" + letter + " + k)", (h.memory - s.base) / (each + s.kernel)})
	}
	if s.cpu > 0 {
		all = append(all, bound{"processors", fmt.Sprintf("%g x C / (c x q)", fullLoad), fullLoad * h.cores * 1e6 / (s.cpu * rate)})
	}
	return all
}

// tightest is the bound that is reached first.
func tightest(all []bound) bound {
	first := all[0]
	for _, one := range all[1:] {
		if one.clients < first.clients {
			first = one
		}
	}
	return first
}

// instances is how many serve so many clients, with one more that may be lost.
func (b bound) instances(clients float64) int { return int(math.Ceil(clients/b.clients)) + 1 }

// text is the section of the page.
func (s slopes) text() string {
	h := paperHost
	return fmt.Sprintf("What a client, a transaction and a login cost one Portero with one loop:\n\n%s\n"+
		"On paper: N = %d clients; an instance has C = %g cores, M = %g GB and F = %d descriptors, or %d; q is transactions per second and client.\n\n"+
		"%s\n%s\n%s\n%s", s.table(), manyOnPaper, h.cores, h.memory/1e9, h.files, moreFiles,
		s.memoryOnPaper(), s.loadOnPaper(), s.loginsOnPaper(), s.endsOnPaper(h))
}

func (s slopes) memoryOnPaper() string {
	if s.idle == 0 {
		return ""
	}
	rows := [][]string{{"memory of N clients", "Portero, B + N x m", "kernel, N x k", "both"}}
	for _, one := range []struct {
		name string
		each float64
	}{{"plain", s.idle}, {"TLS (mt in place of m)", s.idleTLS}} {
		own, kernel := s.base+manyOnPaper*one.each, manyOnPaper*s.kernel
		rows = append(rows, []string{one.name, megabytes(own), megabytes(kernel), megabytes(own + kernel)})
	}
	return page.Table(rows, "lrrr")
}

func (s slopes) loadOnPaper() string {
	if s.cpu == 0 {
		return ""
	}
	rows := [][]string{{"q", "transactions/s, N x q", "cores, N x q x c", fmt.Sprintf("loops at %g of a core each", fullLoad)}}
	for _, rate := range paperRates {
		cores := manyOnPaper * rate * s.cpu / 1e6
		rows = append(rows, []string{number(rate, 2), number(manyOnPaper*rate, 0), number(cores, 2), number(math.Ceil(cores/fullLoad), 0)})
	}
	return page.Table(rows, "rrrr")
}

// loginsOnPaper is what it takes to have all clients back after they were cut off.
func (s slopes) loginsOnPaper() string {
	rows := [][]string{{"all N log in", "seconds of CPU, N x l", fmt.Sprintf("seconds on %g cores", paperHost.cores)}}
	for _, d := range doors {
		if s.login[d] > 0 {
			seconds := manyOnPaper * s.login[d] / 1e6
			rows = append(rows, []string{d.String(), number(seconds, 0), number(seconds/paperHost.cores, 0)})
		}
	}
	if len(rows) == 1 {
		return ""
	}
	return page.Table(rows, "lrr")
}

// endsOnPaper is what ends first, and how many instances that comes to.
func (s slopes) endsOnPaper(h host) string {
	head := []string{"F", "clients", "q"}
	for _, one := range s.bounds(h, 1, false) {
		head = append(head, one.what)
	}
	rows := [][]string{append(head, "ends first", "instances")}
	for _, h.files = range []int{h.files, moreFiles} {
		for _, encrypted := range []bool{false, true} {
			for _, rate := range paperRates {
				rows = append(rows, s.endsAt(h, rate, encrypted))
			}
		}
	}
	return "How many clients one instance can have by each of " + strings.Join(formulas(s.bounds(h, 1, false)), ", ") +
		"; and the instances for N, with one more that may be lost:\n\n" +
		page.Table(rows, "rlr"+strings.Repeat("r", len(head)-3)+"lr")
}

func (s slopes) endsAt(h host, rate float64, encrypted bool) []string {
	name := "plain"
	if encrypted {
		name = "TLS"
	}
	row := []string{fmt.Sprint(h.files), name, number(rate, 2)}
	all := s.bounds(h, rate, encrypted)
	for _, one := range all {
		row = append(row, number(one.clients, 0))
	}
	first := tightest(all)
	return append(row, first.what, fmt.Sprint(first.instances(manyOnPaper)))
}

func formulas(all []bound) []string {
	list := make([]string, len(all))
	for i, one := range all {
		list[i] = fmt.Sprintf("%s `%s`", one.what, one.formula)
	}
	return list
}

func megabytes(bytes float64) string { return number(bytes/1e6, 0) + " MB" }

// scaleSection is the part of the page about many clients that is this program's.
func scaleSection(path string) page.Section {
	return page.Section{Path: path, Name: "scale", Title: "A hundred thousand clients"}
}
