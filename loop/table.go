package loop

// The sockets of a loop are found by their descriptors.

// keep has the loop know s from now on.
func (l *Loop) keep(fd int, s *Socket) {
	for fd >= len(l.sockets) {
		l.sockets = append(l.sockets, make([]*Socket, max(64, len(l.sockets)/4))...)
	}
	l.sockets[fd] = s
}

// forget has the loop know s no longer. l may be nil.
func (l *Loop) forget(s *Socket) {
	if l != nil && l.known(int(s.fd)) == s {
		l.sockets[s.fd] = nil
	}
}

// known is the socket of a descriptor; nil if there is none.
func (l *Loop) known(fd int) *Socket {
	if fd < len(l.sockets) {
		return l.sockets[fd]
	}
	return nil
}
