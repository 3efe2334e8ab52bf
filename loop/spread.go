package loop

// Spread calls do for each number below n on the loop, per of them in one turn, so that nobody
// else has to wait for all of it, and then done. It does not wait for that. After Stop nothing
// more is called. Any goroutine.
func (l *Loop) Spread(n, per int, do func(i int), done func()) {
	l.Post(func() { l.spread(0, n, per, do, done) })
}

func (l *Loop) spread(from, n, per int, do func(i int), done func()) {
	end := min(from+per, n)
	for i := from; i < end; i++ {
		do(i)
	}
	if end == n {
		done()
		return
	}
	l.Post(func() { l.spread(end, n, per, do, done) })
}
