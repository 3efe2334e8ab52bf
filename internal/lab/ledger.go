package lab

import (
	"fmt"
	"slices"
	"time"
)

// Ack is one acknowledged row: when it was begun and confirmed, and where it was written, as
// that server said itself.
type Ack struct {
	Began, Ended time.Time
	Port         int
	Timeline     int64 // 0, as Port, of a row that was found after its outcome was unknown
}

// Trouble is an error that a writer was told, or a connection that it had to make anew.
type Trouble struct {
	At   time.Time
	What string // an error's SQLSTATE, Cut, RolledBack or Unreadable; "" for a new connection
	// InBlock says that the client had begun a transaction that it had not ended, Ended that
	// it ended a connection on which rows had been acknowledged.
	InBlock, Ended bool
}

// Attempt is one try to write a row. When it was begun, in microseconds since 1970 by the
// client's clock, is part of what it writes.
type Attempt struct {
	Row   int
	Begun int64
}

const (
	RolledBack = "rollback"   // COMMIT was answered by ROLLBACK
	Unreadable = "unreadable" // an INSERT that succeeded did not say where
)

// Account is what one writer was told.
type Account struct {
	Acked    []Ack // of rows 1, 2, 3, ...
	Troubles []Trouble
	Unknown  int // rows of which the writer did not know whether they had been written, and looked
	Found    int // of those, rows that had been
	// Refused are attempts that an error ended which leaves no doubt: it came on a connection
	// that lives, and is not 08007.
	Refused []Attempt
}

// Ledger is what all writers were told, up to the moment when it was taken: account i is
// writer i's. Nothing of it changes any more.
type Ledger []Account

// Last is when the last row was acknowledged; the zero time before the first.
func (a Account) Last() time.Time {
	if len(a.Acked) == 0 {
		return time.Time{}
	}
	return a.Acked[len(a.Acked)-1].Ended
}

// Acknowledged is the number of rows.
func (l Ledger) Acknowledged() (n int) {
	for _, a := range l {
		n += len(a.Acked)
	}
	return n
}

// Unknown is how many rows writers had to look for, and how many of them they found.
func (l Ledger) Unknown() (looked, found int) {
	for _, a := range l {
		looked += a.Unknown
		found += a.Found
	}
	return looked, found
}

// Troubles counts the errors by SQLSTATE, and the connections that had to be made anew, from
// one moment to another.
func (l Ledger) Troubles(from, to time.Time) (errors map[string]int, reconnects int) {
	errors = make(map[string]int)
	for _, a := range l {
		for _, t := range a.Troubles {
			switch {
			case t.At.Before(from) || t.At.After(to):
			case t.What == "":
				reconnects++
			default:
				errors[t.What]++
			}
		}
	}
	return errors, reconnects
}

// Gaps are the longest time in which no writer had a row acknowledged, and the same for the
// one writer that waited longest.
func (l Ledger) Gaps(from, to time.Time) (all, worst time.Duration) {
	var together []time.Time
	for _, a := range l {
		times := a.endings(from, to)
		worst = max(worst, LongestGap(times, from, to))
		together = append(together, times...)
	}
	slices.SortFunc(together, time.Time.Compare)
	return LongestGap(together, from, to), worst
}

// endings are the times of acknowledgement from the last before from to the first after to.
func (a Account) endings(from, to time.Time) (times []time.Time) {
	at := func(t time.Time) int {
		i, _ := slices.BinarySearchFunc(a.Acked, t, func(a Ack, t time.Time) int { return a.Ended.Compare(t) })
		return i
	}
	for _, ack := range a.Acked[max(0, at(from)-1):min(len(a.Acked), at(to.Add(1))+1)] {
		times = append(times, ack.Ended)
	}
	return times
}

// LongestGap is the longest time between two neighbours that lies, in part, after from and
// before to; times are in order.
func LongestGap(times []time.Time, from, to time.Time) time.Duration {
	var longest time.Duration
	for i := 1; i < len(times); i++ {
		if times[i].Before(from) || times[i-1].After(to) {
			continue
		}
		longest = max(longest, times[i].Sub(times[i-1]))
	}
	return longest
}

// Unfenced lists writes that a stale leader took: rows of one timeline on two servers, and
// rows that were begun and confirmed on a timeline once a newer one had confirmed another.
func (l Ledger) Unfenced() (faults []string) {
	first := make(map[int64]time.Time) // when a timeline confirmed its first row
	ports := make(map[int64]int)
	l.each(func(writer, row int, a Ack) {
		if at, ok := first[a.Timeline]; !ok || a.Ended.Before(at) {
			first[a.Timeline] = a.Ended
		}
		if port, ok := ports[a.Timeline]; ok && port != a.Port {
			faults = append(faults, fmt.Sprintf("timeline %d was written to on ports %d and %d", a.Timeline, port, a.Port))
		}
		ports[a.Timeline] = a.Port
	})
	l.each(func(writer, row int, a Ack) {
		for timeline, since := range first {
			if a.Timeline < timeline && a.Began.After(since) {
				faults = append(faults, fmt.Sprintf("row %d of writer %d was written on timeline %d at %v, after timeline %d had begun",
					row, writer, a.Timeline, a.Began, timeline))
			}
		}
	})
	return faults
}

// each visits the rows of which is known where they were written.
func (l Ledger) each(visit func(writer, row int, a Ack)) {
	for i, account := range l {
		for j, a := range account.Acked {
			if a.Timeline != 0 {
				visit(i, j+1, a)
			}
		}
	}
}
