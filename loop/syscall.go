package loop

import (
	"io"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The sockets never block, so read and write go to the kernel without telling
// the scheduler; only a long wait for events does.

// epollWait returns the number of events; a signal counts as none.
func epollWait(ep int, events []unix.EpollEvent, timeoutMs int) int {
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), uintptr(timeoutMs), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// epollNap is epollWait for a wait so short that the scheduler need not know.
func epollNap(ep int, events []unix.EpollEvent, timeoutMs int) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), uintptr(timeoutMs), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// readFD reads once. It returns ErrNotNow when nothing is there.
func readFD(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch errno {
		case 0:
			if n == 0 {
				return 0, io.EOF
			}
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, ErrNotNow
		default:
			return 0, errno
		}
	}
}

// writeFD writes once; it may take less than all, or nothing with ErrNotNow.
func writeFD(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, ErrNotNow
		default:
			return 0, errno
		}
	}
}
