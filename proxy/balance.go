package proxy

// Which loop serves whom. One loop costs less per transaction than two: servers need not move,
// and nobody is woken on another thread. So clients are together on the first loop until that is
// busy. Then half of those who work go over to another as they come to rest; and when two loops
// have no more to do than one can, they come back. What stands here is pure: loads in, orders out.

// load is what a loop has had to do since it was looked at last.
type load struct {
	busy    float64 // share of a processor that it has used, from 0 to 1
	working int     // of its clients, those that have been at work
}

// order has up to n clients of a loop go over to another.
type order struct{ from, to, n int }

const (
	fullLoop   = 0.65  // a loop that uses more of a processor is busy
	shareGap   = 0.2   // so much more than the other has it to be, for clients to go over
	shareLimit = 0.55  // a loop that has work already is given more if both end below this
	oneLoop    = 0.45  // what two do that is less than this is for one
	someWork   = 0.001 // what is less than this is none

	spreadAfter = 2   // so many looks in a row must give cause for it
	gatherAfter = 5   // likewise
	mostAtOnce  = 256 // clients of an order
	mostCalm    = 64  // looks
)

// balance decides who goes over. It is told the loads about once a second. For nothing to swing
// between two loops, what brings them together is far from what parts them, both have to last for
// some looks, and who would take back what it has done last waits for twice as long each time.
type balance struct {
	crowded, empty int   // looks in a row at which a loop was busy beside another that is not, or two had work for one
	last           order // the last one
	calm, wait     int   // looks for which there is no order back; what it was the last time
}

// look returns the order of this look; one without clients is none.
func (b *balance) look(loads []load) order {
	b.calm = max(0, b.calm-1)
	spread, gather := spreading(loads), gathering(loads)
	b.crowded, b.empty = lasts(b.crowded, spread), lasts(b.empty, gather)
	switch {
	case b.crowded >= spreadAfter:
		return b.give(spread)
	case b.empty >= gatherAfter:
		return b.give(gather)
	}
	return order{}
}

// lasts counts looks in a row that give cause for an order.
func lasts(before int, o order) int {
	if o.n == 0 {
		return 0
	}
	return before + 1
}

// give lets an order pass that does not come too soon after the one that it takes back.
func (b *balance) give(o order) order {
	if o.from == b.last.to && o.to == b.last.from {
		if b.calm > 0 {
			return order{}
		}
		b.wait = min(2*b.wait, mostCalm)
	}
	if b.calm == 0 && (o.from != b.last.to || o.to != b.last.from) {
		b.wait = gatherAfter
	}
	b.last, b.calm, b.crowded = o, b.wait, 0
	return o
}

// spreading is the order that takes half of the difference from the loop that has most to do,
// if that is busy and has more than one client at work.
func spreading(loads []load) (o order) {
	from := 0
	for i := range loads {
		if loads[i].busy > loads[from].busy {
			from = i
		}
	}
	to := shares(loads, from)
	if have := loads[from].busy; have < fullLoop || have-loads[to].busy < shareGap {
		return order{}
	}
	part := (loads[from].busy - loads[to].busy) / (2 * loads[from].busy)
	return order{from, to, min(int(part*float64(loads[from].working)), mostAtOnce)}
}

// shares is the loop that is to have a share of another's work: the first with work that stays
// well below busy by that, else the one that has least to do.
func shares(loads []load, from int) int {
	least := -1
	for i := range loads {
		switch {
		case i == from:
			continue
		case loads[i].busy >= someWork && (loads[i].busy+loads[from].busy)/2 <= shareLimit:
			return i
		case least < 0 || loads[i].busy < loads[least].busy:
			least = i
		}
	}
	return max(least, 0)
}

// gathering is the order that brings the clients of the last loop with work to the first that
// can do both's.
func gathering(loads []load) (o order) {
	for from := len(loads) - 1; from > 0; from-- {
		if loads[from].busy < someWork || loads[from].working == 0 {
			continue
		}
		for to := range from {
			if loads[to].busy+loads[from].busy <= oneLoop {
				return order{from, to, min(loads[from].working, mostAtOnce)}
			}
		}
		return order{}
	}
	return order{}
}

// roomiest is the loop for a client that comes: the first that is not busy, else the one that
// has least to do.
func roomiest(busy []float64) int {
	least := 0
	for i, share := range busy {
		if share < fullLoop {
			return i
		}
		if share < busy[least] {
			least = i
		}
	}
	return least
}
