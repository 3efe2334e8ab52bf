package loop

import (
	"encoding/binary"
	"io"
	"net/netip"
	"syscall"
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

// readFD reads once from a socket. It returns ErrNotNow when nothing is there. recvfrom(2) is
// nearer to the socket than read(2), which goes by way of what all files have.
func readFD(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
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

// closeFD closes a socket, which does not linger longer than to be reset (see GiveUp): so it
// does not block.
func closeFD(fd int) { unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) } //nolint:errcheck // it is gone in any case

// acceptFD accepts once from a TCP socket; package unix would ask the kernel for the protocol
// each time.
func acceptFD(fd int) (conn int, peer netip.AddrPort, errno syscall.Errno) {
	var from unix.RawSockaddrInet6 // has room for IPv4 too
	size := uint32(unsafe.Sizeof(from))
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)),
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, peer, errno
	}
	switch from.Family {
	case unix.AF_INET:
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&from))
		peer = netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), inNetworkOrder(v4.Port))
	case unix.AF_INET6:
		peer = netip.AddrPortFrom(netip.AddrFrom16(from.Addr).Unmap(), inNetworkOrder(from.Port))
	}
	return int(n), peer, 0
}

// inNetworkOrder is a port as it lies in memory.
func inNetworkOrder(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return binary.BigEndian.Uint16(b[:])
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
