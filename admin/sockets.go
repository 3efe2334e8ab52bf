package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"portero/metrics"
)

const (
	usualRows   = 200
	mostRows    = 10000
	maxListings = 2               // that are made at once: each asks all loops
	listingWait = 5 * time.Second // for the loops, and for a turn
)

// listing is the JSON of /clients and /servers.
type listing[Row any] struct {
	Total   int            `json:"total"`   // there are
	Matches int            `json:"matches"` // the filter lets through
	States  map[string]int `json:"states"`  // of the total
	Rows    []Row          `json:"rows"`    // at most limit of the matches, those that wait for longest first
}

// socket is what a client and a server have both.
type socket struct {
	ID         uint64    `json:"id"` // as in KILL_CLIENT
	Database   string    `json:"database"`
	User       string    `json:"user"`
	State      string    `json:"state"` // in PgBouncer's words
	Address    string    `json:"address"`
	Member     string    `json:"member"` // "": it has no server
	Role       string    `json:"role"`
	Group      int       `json:"group"` // of Citus: where it is, or was last
	App        string    `json:"application_name"`
	Connected  time.Time `json:"connected"`
	SinceMS    int64     `json:"since_ms"` // it began what it is at, or was at last
	Link       uint64    `json:"link"`     // of a client its server, of a server its client; 0: none
	PID        int       `json:"pid"`      // of a server its backend, of a client its process, by a Unix socket
	TLS        string    `json:"tls"`
	Statements int       `json:"statements"`
}

type listedClient struct {
	socket
	WaitMS float64 `json:"wait_ms"`
	Pins   string  `json:"pins"` // why it keeps its server
}

type listedServer struct {
	socket
	CloseNeeded bool `json:"close_needed"`
}

// sieve is what a request asks for.
type sieve struct {
	state, database, user, text string // "": any
	limit                       int
}

var errSieve = errors.New("want state=, database=, user= and q=, each a text that has to match, and limit= from 1 to " + strconv.Itoa(mostRows))

func newSieve(q url.Values) (s sieve, err error) {
	s.limit = usualRows
	for name, values := range q {
		value := values[len(values)-1]
		switch name {
		case "state":
			s.state = value
		case "database":
			s.database = value
		case "user":
			s.user = value
		case "q":
			s.text = strings.ToLower(value)
		case "limit":
			if s.limit, err = strconv.Atoi(value); err != nil || s.limit < 1 || s.limit > mostRows {
				return s, errSieve
			}
		default:
			return s, errSieve
		}
	}
	return s, nil
}

// passes reports whether a row does; more is what of it can be looked for beside the usual.
func (s *sieve) passes(o *socket, more string) bool {
	if s.state != "" && s.state != o.State || s.database != "" && s.database != o.Database || s.user != "" && s.user != o.User {
		return false
	}
	for word := range strings.FieldsSeq(s.text) {
		if !strings.Contains(strings.ToLower(strings.Join([]string{
			o.Database, o.User, o.State, o.Address, o.Member, o.Role, o.App, strconv.FormatUint(o.ID, 10), more,
		}, "\n")), word) {
			return false
		}
	}
	return true
}

// listed answers with the rows that list makes.
func listed[Row any](turns chan struct{}, list func(ctx context.Context, s *sieve) listing[Row]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := newSieve(r.URL.Query())
		if err != nil {
			plain(w, http.StatusBadRequest, err.Error())
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), listingWait)
		defer cancel()
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
		case <-ctx.Done():
			plain(w, http.StatusServiceUnavailable, "others ask for the same")
			return
		}
		l := list(ctx, &s)
		if ctx.Err() != nil {
			plain(w, http.StatusServiceUnavailable, "not all event loops have answered in time")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(l) //nolint:errcheck // a reader that is gone is no fault of ours
	}
}

// clientsListed has those that wait first, in the order in which they came to; then those that
// have a server, then the others, what they did last foremost.
func clientsListed(all func(context.Context) []metrics.ClientState) func(context.Context, *sieve) listing[listedClient] {
	return func(ctx context.Context, s *sieve) listing[listedClient] {
		now := time.Now()
		p := newPicker[listedClient](s.limit)
		for _, c := range all(ctx) {
			row := listedClient{socketOfClient(&c, now), inMS(c.Wait), c.Pins}
			p.see(row.State, s.passes(&row.socket, row.Pins), rank{busyness(row.State), -int64(c.Wait), row.SinceMS, row.ID}, row)
		}
		return p.listing()
	}
}

func serversListed(all func(context.Context) []metrics.ServerState) func(context.Context, *sieve) listing[listedServer] {
	return func(ctx context.Context, s *sieve) listing[listedServer] {
		now := time.Now()
		p := newPicker[listedServer](s.limit)
		for _, o := range all(ctx) {
			row := listedServer{socketOfServer(&o, now), o.CloseNeeded}
			p.see(row.State, s.passes(&row.socket, strconv.Itoa(row.PID)), rank{busyness(row.State), 0, row.SinceMS, row.ID}, row)
		}
		return p.listing()
	}
}

// busyness has those first for whose sake somebody looks.
func busyness(state string) int {
	switch {
	case strings.HasPrefix(state, "waiting"):
		return 0
	case state == "idle":
		return 2
	}
	return 1
}

func socketOfClient(c *metrics.ClientState, now time.Time) socket {
	return socket{c.ID, c.Database, c.User, c.State, where(c.Address), c.Member, c.Role, c.Group, c.Application, c.Connected,
		now.Sub(orElse(c.Requested, c.Connected)).Milliseconds(), c.Link, c.RemotePID, c.TLS, c.Statements}
}

func socketOfServer(o *metrics.ServerState, now time.Time) socket {
	return socket{o.ID, o.Database, o.User, o.State, where(o.Address), o.Member, o.Role, o.Group, o.Application, o.Connected,
		now.Sub(orElse(o.Requested, o.Connected)).Milliseconds(), o.Link, o.RemotePID, o.TLS, o.Statements}
}

// where is an address with its port; that of a Unix socket has a word.
func where(a netip.AddrPort) string {
	if !a.IsValid() {
		return "unix"
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
}
