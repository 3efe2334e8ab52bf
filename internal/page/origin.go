package page

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Origin is when, where, of what and how a run was made, so that a reader can make it again.
type Origin struct {
	Began   time.Time `json:"began"`
	Portero string    `json:"portero"` // version and commit
	Machine string    `json:"machine"`
	Servers string    `json:"servers"` // versions of all other programs
	Patroni string    `json:"patroni"` // its settings
	Command string    `json:"command"`
}

// Machine is this one in a few words.
func Machine() string {
	return fmt.Sprintf("%s, %d cores, %s", Processor(), runtime.NumCPU(), Kernel())
}

// Portero is version and commit of a binary that was built of the sources that are here.
func Portero(binary string) string {
	return strings.TrimPrefix(FirstLine(binary, "version"), "portero ") + commit()
}

// FirstLine is the first of what a program prints, or why it printed nothing.
func FirstLine(program string, args ...string) string {
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		return program + ": " + err.Error()
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// commit is that of the sources, and whether they have been changed since: a build in a
// worktree of git does not know it. The docs, into which runs are written, do not count.
func commit() string {
	sources := []string{"--", ":/", ":(top,exclude)docs"}
	hash, err := exec.Command("git", append([]string{"log", "-1", "--format=%h"}, sources...)...).Output()
	if err != nil {
		return ""
	}
	text := ", commit " + strings.TrimSpace(string(hash))
	changed, err := exec.Command("git", append([]string{"status", "--porcelain"}, sources...)...).Output()
	if err != nil || len(changed) > 0 {
		text += ", changed"
	}
	return text
}

// Origins says where all runs of a page come from.
func Origins(all []Origin) string {
	if len(all) == 0 {
		return "Nothing was run.\n\n"
	}
	const minute = "2006-01-02 15:04"
	first, last := all[0].Began, all[0].Began
	for _, one := range all {
		if one.Began.Before(first) {
			first = one.Began
		}
		if one.Began.After(last) {
			last = one.Began
		}
	}
	return fmt.Sprintf("%s, begun from %s to %s (UTC).\n\n", Runs(len(all)), first.Format(minute), last.Format(minute)) +
		"- Portero: " + distinct(all, func(one Origin) string { return one.Portero }) +
		"- machine: " + distinct(all, func(one Origin) string { return one.Machine }) +
		"- servers: " + distinct(all, func(one Origin) string { return one.Servers }) +
		"- Patroni: " + distinct(all, func(one Origin) string { return one.Patroni }) +
		"- command: " + distinct(all, func(one Origin) string { return "`" + one.Command + "`" }) + "\n"
}

// distinct lists what differs between runs, with how many have each.
func distinct(all []Origin, of func(Origin) string) string {
	var order []string
	count := make(map[string]int)
	for _, one := range all {
		text := of(one)
		if count[text]++; count[text] == 1 {
			order = append(order, text)
		}
	}
	if len(order) > 1 {
		for i, text := range order {
			order[i] = fmt.Sprintf("%s (%s)", text, Runs(count[text]))
		}
	}
	return strings.Join(order, "; ") + "\n"
}

// Runs is a number of them in words.
func Runs(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}
