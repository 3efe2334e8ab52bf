package admin

import (
	"fmt"
	"strconv"
	"time"
)

// formatBytes writes n as people read sizes: "1.5 MiB".
func formatBytes(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, prefix := float64(n)/unit, 0
	for v >= unit && prefix < len(prefixes)-1 {
		v /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", v, prefixes[prefix])
}

const prefixes = "KMGTPE"

// formatLag writes how many bytes a member is behind, "?" if that is not known.
func formatLag(n int64) string {
	if n < 0 {
		return "?"
	}
	return formatBytes(uint64(n))
}

// formatCount writes n with a thin space between thousands, which a browser
// does not break.
func formatCount(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits
}

// formatDuration writes d with as many digits as matter, "0" for none, and days
// and hours above two days.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d <= 0:
		return "0"
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	case d < 2*day:
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}
