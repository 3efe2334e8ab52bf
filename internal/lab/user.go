package lab

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// owner is whom servers run as; nil credential: as oneself.
type owner struct {
	name       string
	credential *syscall.Credential
}

// serverOwner is user postgres for root, else oneself.
func serverOwner() (owner, error) {
	if os.Geteuid() != 0 {
		return oneself()
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return owner{}, fmt.Errorf("as root, servers run as user postgres: %w: %s", err, remedy)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return owner{}, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return owner{}, err
	}
	return owner{name: u.Username, credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

func oneself() (owner, error) {
	me, err := user.Current()
	if err != nil {
		return owner{}, err
	}
	return owner{name: me.Username}, nil
}

// own gives path to the owner.
func (o owner) own(path string) error {
	if o.credential == nil {
		return nil
	}
	return os.Chown(path, int(o.credential.Uid), int(o.credential.Gid))
}

// tempDir is a directory that the owner can reach: root's own may be closed to others.
func (o owner) tempDir() string {
	if o.credential != nil {
		return "/tmp"
	}
	return os.TempDir()
}
