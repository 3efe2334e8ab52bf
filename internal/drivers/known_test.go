package drivers

import "testing"

// difference is a kind of work that is known to go otherwise through Portero than directly.
type difference struct {
	mode, section string
	reason        string
}

// known are all of them. The programs leave these sections out where they run in that pool
// mode; whoever makes one work takes its line away, and needs to do nothing else. Without
// "prepared", drivers that name statements of their own accord are told not to.
var known = []difference{}

// leftOut are the sections that programs do not run in a pool mode. Each is shown as a test
// that is skipped.
func leftOut(t *testing.T, mode string) (sections []string) {
	t.Helper()
	for _, d := range known {
		if d.mode == mode {
			t.Run("left out/"+mode+"/"+d.section, func(t *testing.T) { t.Skip(d.reason) })
			sections = append(sections, d.section)
		}
	}
	return sections
}
