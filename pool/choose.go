package pool

// option is a group that the next transaction may be given to.
type option struct {
	level  level
	load   int // servers lent, and clients that wait for one
	weight int // how much of that counts as one
}

// level is how well a group can serve, the best first.
type level uint8

const (
	levelNear   level = iota // its leader is in our zone, and there is a free place
	levelFit                 // it has a leader, and there is a free place
	levelFull                // it has a leader
	levelAiling              // its leader lets nobody in at present
	levelHeld                // its clients are held
	levelEnded               // its pool has been given up: nobody is served there again
)

// choose is which group serves next: of the best level the one with the least load for its
// weight, and in turn among those for which that is the same, each as often as its weight. Less
// than 0: there is none.
func choose(all []option, turn uint32) int {
	best := -1
	total := 0 // weight of those that are as good
	for i := range all {
		s := &all[i]
		if s.level == levelEnded {
			continue
		}
		switch {
		case best < 0 || s.before(&all[best]):
			best, total = i, s.weight
		case !all[best].before(s):
			total += s.weight
		}
	}
	if best < 0 {
		return best
	}
	left := int(turn % uint32(total))
	for i := best; ; i++ {
		if all[best].before(&all[i]) {
			continue
		}
		if left -= all[i].weight; left < 0 {
			return i
		}
	}
}

// before reports whether s is better than t.
func (s *option) before(t *option) bool {
	if s.level != t.level {
		return s.level < t.level
	}
	return s.load*t.weight < t.load*s.weight
}
