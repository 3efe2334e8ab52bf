package loop

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A ring is what this package uses of io_uring(7): many sends in one system call. Each is done
// when submit returns, as none may wait (MSG_DONTWAIT). It belongs to one loop, whose goroutine
// may change its thread. The numbers are those of <linux/io_uring.h>.
type ring struct {
	fd      int
	memory  []byte // both queues
	entries []sendEntry

	sqTail, cqHead, cqTail *uint32
	sqMask, cqMask         uint32
	done                   unsafe.Pointer // the completions, cqMask+1 of them
}

// sendEntry is a struct io_uring_sqe of an IORING_OP_SEND.
type sendEntry struct {
	opcode, flags uint8
	ioprio        uint16
	fd            int32
	off           uint64
	addr          uintptr
	length        uint32
	msgFlags      uint32
	userData      uint64
	_             [24]byte
}

// completion is a struct io_uring_cqe.
type completion struct {
	userData uint64
	result   int32 // bytes, or an errno below zero
	flags    uint32
}

const (
	opSend          = 26     // IORING_OP_SEND
	singleMap       = 1 << 0 // IORING_FEAT_SINGLE_MMAP
	noDrop          = 1 << 1 // IORING_FEAT_NODROP
	currentPosition = 1 << 3 // IORING_FEAT_RW_CUR_POS, of Linux 5.6 as IORING_OP_SEND is
	resultTries     = 100    // to wait for results, which are there at once
	needed          = singleMap | noDrop | currentPosition
	setupClamp      = 1 << 4  // IORING_SETUP_CLAMP
	offsetQueues    = 0       // IORING_OFF_SQ_RING
	offsetEntries   = 1 << 28 // IORING_OFF_SQES: 0x10000000
	enterGetEvents  = 1       // IORING_ENTER_GETEVENTS
	sizeOfEntry     = int(unsafe.Sizeof(sendEntry{}))
	sizeOfCompleted = int(unsafe.Sizeof(completion{}))
)

// ringParams is a struct io_uring_params.
type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq                                                                     struct {
		head, tail, ringMask, ringEntries, flags, dropped, array, _ uint32
		_                                                           uint64
	}
	cq struct {
		head, tail, ringMask, ringEntries, overflow, cqes, flags, _ uint32
		_                                                           uint64
	}
}

// newRing asks the kernel for a ring of so many entries. Old kernels have none, and many a
// container or host forbids it.
func newRing(entries int) (*ring, error) {
	p := ringParams{flags: setupClamp}
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	r := &ring{fd: int(fd)}
	if err := r.open(&p); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *ring) open(p *ringParams) (err error) {
	if p.features&needed != needed {
		return fmt.Errorf("io_uring of an old kernel: features %#x", p.features)
	}
	size := max(int(p.sq.array)+int(p.sqEntries)*4, int(p.cq.cqes)+int(p.cqEntries)*sizeOfCompleted)
	if r.memory, err = mapRing(r.fd, offsetQueues, size); err != nil {
		return err
	}
	sqes, err := mapRing(r.fd, offsetEntries, int(p.sqEntries)*sizeOfEntry)
	if err != nil {
		return err
	}
	r.entries = unsafe.Slice((*sendEntry)(unsafe.Pointer(&sqes[0])), p.sqEntries)
	r.sqTail, r.sqMask = r.number(p.sq.tail), *r.number(p.sq.ringMask)
	r.cqHead, r.cqTail, r.cqMask = r.number(p.cq.head), r.number(p.cq.tail), *r.number(p.cq.ringMask)
	r.done = unsafe.Pointer(&r.memory[p.cq.cqes])
	for i := range p.sqEntries { // the queue names the entries in their order, always
		*r.number(p.sq.array + 4*i) = i
	}
	return nil
}

func mapRing(fd int, offset int64, size int) ([]byte, error) {
	b, err := unix.Mmap(fd, offset, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("mmap of an io_uring: %w", err)
	}
	return b, nil
}

// number is a number of 32 bits in the memory shared with the kernel.
func (r *ring) number(at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.memory[at])) }

// put fills entry i of those that go with the next submit. b must stay as it is until then.
func (r *ring) put(i int, fd int32, b []byte) {
	r.entries[(*r.sqTail+uint32(i))&r.sqMask] = sendEntry{
		opcode: opSend, fd: fd, addr: uintptr(unsafe.Pointer(&b[0])), length: uint32(len(b)),
		msgFlags: unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT, userData: uint64(i),
	}
}

// submit has the kernel do the first n entries, and calls told with the number and the result of
// each: bytes, or an errno below zero, with which nothing was sent. It returns how many were taken;
// that may be fewer, where the kernel is out of memory.
func (r *ring) submit(n int, told func(i int, result int32)) (taken int) {
	tail := *r.sqTail
	atomic.StoreUint32(r.sqTail, tail+uint32(n))
	taken = r.enter(n, 0, 0)
	if taken < n { // the kernel looks at the queue in enter only
		atomic.StoreUint32(r.sqTail, tail+uint32(taken))
	}
	left := taken
	for tries := 0; left > 0 && tries < resultTries; tries++ {
		head, end := *r.cqHead, atomic.LoadUint32(r.cqTail)
		for ; head != end; head++ {
			c := (*completion)(unsafe.Add(r.done, int(head&r.cqMask)*sizeOfCompleted))
			told(int(c.userData), c.result)
			left--
		}
		atomic.StoreUint32(r.cqHead, head)
		if left > 0 {
			r.enter(0, left, enterGetEvents)
		}
	}
	return taken
}

// enter is io_uring_enter(2); it returns how many entries were taken.
func (r *ring) enter(submit, await, flags int) int {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(submit), uintptr(await), uintptr(flags), 0, 0)
		switch errno {
		case 0:
			return int(n)
		case unix.EINTR:
		default:
			return 0
		}
	}
}

func (r *ring) close() {
	unix.Close(r.fd)
	if r.memory != nil {
		unix.Munmap(r.memory)
	}
	if r.entries != nil {
		all := unsafe.Slice((*byte)(unsafe.Pointer(&r.entries[0])), len(r.entries)*sizeOfEntry)
		unix.Munmap(all)
	}
}
