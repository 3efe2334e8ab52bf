package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

// mostEtcdReasons is how many are kept for an endpoint: the first is often only that a connection
// has ended.
const mostEtcdReasons = 2

// etcdReasons is a log that keeps why endpoints of etcd do not answer, in the words of whoever
// looks at a cluster once, and nothing else. It may be written to from any goroutine.
type etcdReasons struct {
	mu    sync.Mutex
	order []string            // endpoints, as they were lost first
	why   map[string][]string // by endpoint
}

// told is what there is to say, with all reasons that are known.
func (r *etcdReasons) told(what string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, endpoint := range r.order {
		all = append(all, endpoint+": "+strings.Join(r.why[endpoint], ", "))
	}
	if len(all) == 0 {
		return what
	}
	return what + ": " + strings.Join(all, "; ")
}

// Enabled takes all levels: what the log tells once in a while only is told of each endpoint here.
func (r *etcdReasons) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs has no use for the name of the cluster, which is the caller's.
func (r *etcdReasons) WithAttrs([]slog.Attr) slog.Handler { return r }

// WithGroup is not called.
func (r *etcdReasons) WithGroup(string) slog.Handler { return r }

// Handle takes the records that have an endpoint and a reason.
func (r *etcdReasons) Handle(_ context.Context, record slog.Record) error {
	var endpoint, reason string
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "endpoint":
			endpoint = a.Value.String()
		case "reason":
			if err, ok := a.Value.Any().(error); ok {
				reason = reasonOf(err)
			}
		}
		return true
	})
	if endpoint != "" && reason != "" {
		r.add(endpoint, reason)
	}
	return nil
}

func (r *etcdReasons) add(endpoint, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.why == nil {
		r.why = make(map[string][]string)
	}
	has := r.why[endpoint]
	if has == nil {
		r.order = append(r.order, endpoint)
	}
	if len(has) < mostEtcdReasons && !slices.Contains(has, reason) {
		r.why[endpoint] = append(has, reason)
	}
}

// reasonOf is why something on the network has failed, without the address, which is told beside
// it, and without the words of the libraries in between.
func reasonOf(err error) string {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return said.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok {
		return failed.Err.Error()
	}
	return err.Error()
}
