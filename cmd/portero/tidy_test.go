package main

import "testing"

// Each step is a second: how much is allocated in it, and whether memory is given back then.
func TestMemoryIsGivenBackOnceAfterAStorm(t *testing.T) {
	const mb = 1 << 20
	steps := []struct {
		allocated, live uint64
		due             bool
		what            string
	}{
		{3 * mb, 2 * mb, false, "the start"},
		{mb / 4, 2 * mb, true, "... is over"},
		{mb / 4, 2 * mb, false, "little has been allocated since"},
		{20 * mb, 4 * mb, false, "a storm of logins"},
		{30 * mb, 8 * mb, false, "... goes on"},
		{mb / 10, 10 * mb, true, "... is over"},
		{mb / 10, 6 * mb, false, "nothing new"},
		{5 * mb, 6 * mb, false, "some logins"},
		{mb / 10, 6 * mb, false, "... which the collector will deal with"},
		{mb, 6 * mb, false, "some more"},
		{mb / 10, 6 * mb, true, "together they are as much as is in use"},
	}
	var tidier tidier
	var all uint64
	for i, s := range steps {
		all += s.allocated
		if got := tidier.due(tidier.looks(all), s.live); got != s.due {
			t.Errorf("step %d, %s: due is %v", i, s.what, got)
		}
	}
}
