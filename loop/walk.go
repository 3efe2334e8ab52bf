package loop

// Walk calls fn with the handlers of up to n of the loop's sockets, from a place
// among them on; 0 is the first. It returns the place to go on from, 0 at the end.
// fn may close sockets. What is opened meanwhile may be missed. On the loop.
func (l *Loop) Walk(from, n int, fn func(Handler)) (next int) {
	for i := from; i < len(l.sockets); i++ {
		if i == from+n {
			return i
		}
		if s := l.sockets[i]; s != nil {
			l.visit(s.handler, fn)
		}
	}
	return 0
}

// visit is one step of Walk; a panic in it is reported like a Task's.
func (l *Loop) visit(h Handler, fn func(Handler)) {
	defer l.caught()
	fn(h)
}
