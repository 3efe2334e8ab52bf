package drivers

import (
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// diagInfo is the kernel's INET_DIAG_INFO, an attribute with a struct tcp_info.
const diagInfo = 2

// peer asks the kernel how far the other end of a connection has read, by sock_diag: so it
// must be on this machine, in any program.
type peer struct {
	fd      int
	request []byte
	answer  []byte
}

// askAbout begins to look at the other end of a connection.
func askAbout(conn *net.TCPConn) (*peer, error) {
	here, there := conn.LocalAddr().(*net.TCPAddr), conn.RemoteAddr().(*net.TCPAddr)
	from, to := there.IP.To4(), here.IP.To4()
	if from == nil || to == nil {
		return nil, fmt.Errorf("%v is not IPv4", there)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	const all = ^uint32(0)
	r := binary.NativeEndian.AppendUint32(nil, 72) // struct nlmsghdr, with the length of all
	r = binary.NativeEndian.AppendUint16(r, unix.SOCK_DIAG_BY_FAMILY)
	r = binary.NativeEndian.AppendUint16(r, unix.NLM_F_REQUEST)
	r = append(r, make([]byte, 8)...)
	r = append(r, unix.AF_INET, unix.IPPROTO_TCP, 1<<(diagInfo-1), 0) // struct inet_diag_req_v2
	r = binary.NativeEndian.AppendUint32(r, all)
	r = binary.BigEndian.AppendUint16(r, uint16(there.Port)) // struct inet_diag_sockid: that end's view
	r = binary.BigEndian.AppendUint16(r, uint16(here.Port))
	r = append(append(r, from...), make([]byte, 12)...)
	r = append(append(r, to...), make([]byte, 12)...)
	r = binary.NativeEndian.AppendUint32(r, 0)
	r = binary.NativeEndian.AppendUint32(r, all) // no cookie
	r = binary.NativeEndian.AppendUint32(r, all)
	return &peer{fd: fd, request: r, answer: make([]byte, 4096)}, nil
}

// look is how many bytes have come to the other end, and how many of them it has not read.
// It is an error if the end is gone.
func (p *peer) look() (come, unread uint64, err error) {
	if err := unix.Sendto(p.fd, p.request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, 0, err
	}
	n, _, err := unix.Recvfrom(p.fd, p.answer, 0)
	if err != nil {
		return 0, 0, err
	}
	const head, message = 16, 72 // struct nlmsghdr, struct inet_diag_msg
	const received = 4 + int(unsafe.Offsetof(unix.TCPInfo{}.Bytes_received))
	a := p.answer[:n]
	if n < head+message || binary.NativeEndian.Uint16(a[4:]) != unix.SOCK_DIAG_BY_FAMILY {
		return 0, 0, unix.ENOENT
	}
	unread = uint64(binary.NativeEndian.Uint32(a[head+56:]))
	for a = a[head+message:]; len(a) >= 4; {
		size, kind := int(binary.NativeEndian.Uint16(a)), binary.NativeEndian.Uint16(a[2:])
		if kind == diagInfo && size >= received+8 {
			return binary.NativeEndian.Uint64(a[received:]), unread, nil
		}
		a = a[min(len(a), max(4, (size+3)&^3)):]
	}
	return 0, 0, fmt.Errorf("the kernel does not tell what has come to a socket")
}

func (p *peer) close() { _ = unix.Close(p.fd) }

// await returns when the other end has read all that was sent, or is gone.
func (p *peer) await(sent uint64) {
	for round, arrived := 0, false; ; round++ {
		come, unread, err := p.look()
		if err != nil || arrived && unread == 0 {
			return
		}
		arrived = come >= sent // what is unread was counted before: so it counts from the next look on
		if round > spins {
			time.Sleep(min(time.Duration(round)*10*time.Microsecond, time.Millisecond))
		} else {
			runtime.Gosched()
		}
	}
}

const spins = 20
