package lab

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// PgBouncerTakes starts PgBouncer with a configuration of its own, the file "pgbouncer.ini"
// of files, in a folder with all of them, which is its working directory. It returns once
// PgBouncer listens at address, or with the end of its log if it does not, and ends it.
func PgBouncerTakes(ctx context.Context, files map[string]string, address string) error {
	ctx, cancel := limit(ctx, startLimit)
	defer cancel()
	binary, err := findDaemon("pgbouncer")
	if err != nil {
		return err
	}
	s, err := newSite()
	if err != nil {
		return err
	}
	if err := s.pgbouncerTakes(ctx, binary, files, address); err != nil {
		return errors.Join(fmt.Errorf("start pgbouncer: %w", err), s.close())
	}
	return s.close()
}

func (s *site) pgbouncerTakes(ctx context.Context, binary string, files map[string]string, address string) error {
	for name, text := range files {
		if err := s.writeFile(s.path(name), text); err != nil {
			return err
		}
	}
	p, err := s.start(command{
		path: binary, args: []string{"pgbouncer.ini"}, dir: s.dir, log: s.path("pgbouncer.log"), orphaned: syscall.SIGKILL,
	})
	if err != nil {
		return err
	}
	return p.waitListening(ctx, address)
}
