package lab

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Below the range that the kernel gives to clients (32768 and up).
const (
	lowestPort  = 15000
	highestPort = 31999
)

var (
	reservedMu sync.Mutex
	reserved   = make(map[int]int) // port -> file descriptor that holds the reservation
)

// ReservePorts picks n free ports of 127.0.0.1. No lab, in this process or another, picks
// them again until they are released or this process ends.
func ReservePorts(n int) ([]int, error) {
	reservedMu.Lock()
	defer reservedMu.Unlock()
	var ports []int
	span := highestPort - lowestPort + 1
	start := rand.IntN(span)
	for i := range span {
		if len(ports) == n {
			break
		}
		port := lowestPort + (start+i)%span
		fd, ok := reserve(port)
		if !ok {
			continue
		}
		reserved[port] = fd
		ports = append(ports, port)
	}
	if len(ports) < n {
		return nil, fmt.Errorf("reserve %d ports of 127.0.0.1: only %d are free", n, len(ports))
	}
	return ports, nil
}

// ReserveAddresses is ReservePorts, and their addresses.
func ReserveAddresses(n int) ([]string, error) {
	ports, err := ReservePorts(n)
	if err != nil {
		return nil, err
	}
	return Addresses(ports), nil
}

// Addresses are host:port of ports of 127.0.0.1.
func Addresses(ports []int) []string {
	addresses := make([]string, len(ports))
	for i, port := range ports {
		addresses[i] = loopback(port)
	}
	return addresses
}

// releasePorts gives ports up; those that are not reserved are left alone.
func releasePorts(ports []int) {
	reservedMu.Lock()
	defer reservedMu.Unlock()
	for _, port := range ports {
		if fd, ok := reserved[port]; ok {
			unix.Close(fd)
			delete(reserved, port)
		}
	}
}

// reserve takes the port's name in the abstract socket namespace, which only one process can
// hold and which the kernel frees when that process ends, and then sees that nobody listens.
func reserve(port int) (fd int, ok bool) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	name := &unix.SockaddrUnix{Name: "@portero-lab/" + strconv.Itoa(port)}
	if err := unix.Bind(fd, name); err != nil {
		unix.Close(fd)
		return 0, false
	}
	probe, err := net.Listen("tcp", loopback(port))
	if err != nil {
		unix.Close(fd)
		return 0, false
	}
	probe.Close()
	return fd, true
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
