package page

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Processor is the name of the machine's.
func Processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "processor unknown"
}

// Kernel is its name and release.
func Kernel() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return "kernel unknown"
	}
	return "Linux " + unix.ByteSliceToString(name.Release[:])
}
