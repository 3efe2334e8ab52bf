// Package passage carries messages with open descriptors from one process to another
// that takes its place, over a Unix socket.
//
// It knows nothing of what it carries, and trusts its peer: who may connect is decided by
// Listen, which lets in only processes of the same user. A Conn is for one goroutine at a
// time on each of its ends.
package passage

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxMessage bounds what is believed of a length, in bytes.
const maxMessage = 1 << 30

// Conn is one end of a passage.
type Conn struct{ *net.UnixConn }

// Dial connects to the process that listens at path. Where nobody does, the error is
// fs.ErrNotExist or ECONNREFUSED: see Nobody.
func Dial(path string) (Conn, error) {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return Conn{}, err
	}
	return Conn{c}, nil
}

// Nobody reports whether an error of Dial means that no process listens.
func Nobody(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// Listener is where the next process connects.
type Listener struct{ *net.UnixListener }

// Listen opens a socket that only processes of this user can connect to. One that is
// there is replaced: whoever listened there is gone, or is being replaced as well.
func Listen(path string) (Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return Listener{}, fmt.Errorf("%s: is there, and is no socket", path)
	}
	next := path + ".new"
	os.Remove(next) //nolint:errcheck // Listen says it
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: next, Net: "unix"})
	if err != nil {
		return Listener{}, err
	}
	l.SetUnlinkOnClose(false) // by then the path may be another process's
	if err := errors.Join(os.Chmod(next, 0o600), os.Rename(next, path)); err != nil {
		l.Close()
		return Listener{}, err
	}
	return Listener{l}, nil
}

// Accept waits for a process of the same user, or of root; others are turned away.
func (l Listener) Accept() (Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return Conn{}, err
		}
		if peer, err := peerOf(c); err == nil && (int(peer.Uid) == os.Geteuid() || peer.Uid == 0) {
			return Conn{c}, nil
		}
		c.Close()
	}
}

// PID is the process at the other end; 0 if the kernel does not tell.
func (c Conn) PID() int {
	peer, err := peerOf(c.UnixConn)
	if err != nil {
		return 0
	}
	return int(peer.Pid)
}

// peerOf is the process that has connected, or listens, by the word of the kernel (unix(7),
// SO_PEERCRED).
func peerOf(c *net.UnixConn) (*unix.Ucred, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	var asked error
	err = raw.Control(func(fd uintptr) {
		peer, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return peer, errors.Join(err, asked)
}

// Send sends a message, of a type that encoding/gob takes, with a descriptor if fd is not
// negative. The descriptor remains the caller's, who may close it afterwards. It blocks.
func (c Conn) Send(message any, fd int) error {
	var body bytes.Buffer
	if err := gob.NewEncoder(&body).Encode(message); err != nil {
		return fmt.Errorf("passage: %w", err)
	}
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(body.Len()))
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	if _, _, err := c.WriteMsgUnix(head[:], rights, nil); err != nil {
		return fmt.Errorf("passage: %w", err)
	}
	if _, err := c.Write(body.Bytes()); err != nil {
		return fmt.Errorf("passage: %w", err)
	}
	return nil
}

// Receive reads the next message into one of its type, and returns the descriptor that
// came with it, which is the caller's to close; -1 if none did. It blocks. io.EOF: the
// peer has ended after a whole message.
func (c Conn) Receive(message any) (fd int, err error) {
	fd, size, err := c.head()
	if err != nil {
		return -1, err
	}
	body := make([]byte, size)
	if _, err = io.ReadFull(c, body); err == nil {
		err = gob.NewDecoder(bytes.NewReader(body)).Decode(message)
	}
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return -1, fmt.Errorf("passage: %w", err)
	}
	return fd, nil
}

// head reads the length of a message. The kernel gives a descriptor with the first byte
// that it was sent with, and never joins two of them in one read (unix(7), SCM_RIGHTS).
func (c Conn) head() (fd, size int, err error) {
	var head [4]byte
	fd = -1
	for n := 0; n < len(head); {
		rights := make([]byte, unix.CmsgSpace(4))
		got, oob, _, _, err := c.ReadMsgUnix(head[n:], rights)
		if err != nil || got == 0 {
			if n == 0 && (err == nil || errors.Is(err, io.EOF)) {
				return -1, 0, io.EOF
			}
			return -1, 0, fmt.Errorf("passage: %w", errors.Join(io.ErrUnexpectedEOF, err))
		}
		n += got
		if oob > 0 {
			if fd, err = descriptorIn(rights[:oob]); err != nil {
				return -1, 0, err
			}
		}
	}
	if size = int(binary.BigEndian.Uint32(head[:])); size > maxMessage {
		return -1, 0, fmt.Errorf("passage: a message of %d bytes", size)
	}
	return fd, size, nil
}

func descriptorIn(rights []byte) (int, error) {
	all, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return -1, fmt.Errorf("passage: %w", err)
	}
	for _, one := range all {
		fds, err := unix.ParseUnixRights(&one)
		if err == nil && len(fds) == 1 {
			unix.CloseOnExec(fds[0])
			return fds[0], nil
		}
	}
	return -1, errors.New("passage: not one descriptor")
}
