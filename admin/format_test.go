package admin

import (
	"math"
	"testing"
	"time"
)

func TestFormatBytes(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 30: "5.0 GiB", math.MaxUint64: "16.0 EiB",
	} {
		if got := formatBytes(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestFormatLag(t *testing.T) {
	if formatLag(-1) != "?" || formatLag(2048) != "2.0 KiB" {
		t.Errorf("%q, %q", formatLag(-1), formatLag(2048))
	}
}

func TestFormatCount(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0", 999: "999", 1000: "1\u202f000", 12345678: "12\u202f345\u202f678",
	} {
		if got := formatCount(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-1:                         "0",
		0:                          "0",
		1500 * time.Nanosecond:     "2µs",
		1234 * time.Microsecond:    "1.2ms",
		1236 * time.Millisecond:    "1.24s",
		90 * time.Second:           "1m30s",
		47 * time.Hour:             "47h0m0s",
		49*time.Hour + time.Minute: "2d1h",
		240*time.Hour - 1:          "9d23h",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%d is %q, want %q", d, got, want)
		}
	}
}
