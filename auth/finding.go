package auth

import (
	"context"
	"maps"
	"sync"
	"time"
)

// maxFindings is how many users are remembered, those that do not exist too:
// names are the clients' to make up.
const maxFindings = 10_000

// place is a name, and where it is asked for.
type place struct {
	cluster  string
	group    int
	database string
	name     string
}

// finding is what is known of a user. Who holds its turn may read and write it.
type finding struct {
	place   place
	turn    chan struct{}
	entry   *entry    // nil: nobody has answered yet
	asked   time.Time // when the answer was asked for
	doubted time.Time // when it last was although it was young
}

// enter waits for the turn: those who ask for the same user wait for one answer.
func (f *finding) enter(ctx context.Context) error {
	select {
	case f.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *finding) leave() { <-f.turn }

// findings are bounded in number. The zero value is empty.
type findings struct {
	mu     sync.Mutex // guards what follows; nothing is asked under it
	all    map[place]*finding
	paces  map[place]*pace // by cluster and group
	kinds  [secretKeys + 1]int
	shapes map[shape]int
}

// of is the finding of a place, a new one where there is none. The one that it
// takes the place of, if there are too many, is any of them, but sooner one
// that is of nobody.
func (fs *findings) of(p place) *finding {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.all[p]; f != nil {
		return f
	}
	if fs.all == nil {
		fs.all = make(map[place]*finding)
	}
	if len(fs.all) >= maxFindings {
		fs.dropLocked()
	}
	f := &finding{place: p, turn: make(chan struct{}, 1)}
	fs.all[p] = f
	return f
}

// dropLocked looks at a few, in the order of the map, which is none. One that
// somebody is at is only forgotten: he does not notice.
func (fs *findings) dropLocked() {
	const few = 16
	var last place
	seen := 0
	for p, f := range fs.all {
		last = p
		if seen++; seen == few || f.isOfNobody() {
			break
		}
	}
	delete(fs.all, last)
}

func (f *finding) isOfNobody() bool {
	select {
	case f.turn <- struct{}{}:
		defer f.leave()
		return f.entry == nil || f.entry.mock
	default:
		return false
	}
}

// paceOf is that of the group in which a place is.
func (fs *findings) paceOf(p place) *pace {
	p = place{cluster: p.cluster, group: p.group}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.paces == nil {
		fs.paces = make(map[place]*pace)
	}
	if fs.paces[p] == nil {
		fs.paces[p] = &pace{}
	}
	return fs.paces[p]
}

// take has f hold an answer, whose turn the caller has. The same secret as
// before leaves the entry as it is.
func (fs *findings) take(f *finding, a Answer, now time.Time) {
	f.asked = now
	e, why := fs.entryOf(f.place.name, a)
	if e == nil {
		e = fs.mock(f.place.name)
		e.why = why
	} else if f.entry == nil || f.entry.mock {
		fs.count(e)
	}
	if f.entry != nil && f.entry.creds == e.creds && f.entry.mock == e.mock && f.entry.why == e.why {
		return
	}
	e.finding = f
	f.entry = e
}

// entryOf is nil for an answer that lets nobody in, and says why.
func (fs *findings) entryOf(name string, a Answer) (e *entry, why string) {
	switch {
	case !a.Found:
		return nil, "the database knows no such user"
	case a.Name != name:
		return nil, "the database answers for another user: " + a.Name
	case a.Secret == "":
		return nil, "the user has no password, or it is valid no longer"
	}
	e, err := newEntry(name, a.Secret)
	if err != nil {
		return nil, "the user's secret in the database: " + err.Error()
	}
	switch e.creds.kind {
	case secretVerifier:
		e.verifier = func() verifier { return e.creds.verifier }
	case secretPlain:
		e.verifier = sync.OnceValue(func() verifier { return derivedVerifier(name, e.creds.secret, fs.commonShape()) })
	default:
		e.verifier = func() verifier { return fs.mock(name).verifier() }
	}
	return e, ""
}

// count remembers what the secrets that are found look like, for mocks.
func (fs *findings) count(e *entry) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.kinds[e.creds.kind]++
	if e.creds.kind == secretVerifier {
		if fs.shapes == nil {
			fs.shapes = make(map[shape]int)
		}
		v := e.creds.verifier
		if s := (shape{v.iterations, len(v.salt)}); len(fs.shapes) < maxShapes || fs.shapes[s] > 0 {
			fs.shapes[s]++
		}
	}
}

// maxShapes is more than any database has.
const maxShapes = 64

// commonShape is that of most verifiers found, and PostgreSQL's own until then.
func (fs *findings) commonShape() shape {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	counts := maps.Clone(fs.shapes)
	if counts == nil {
		counts = make(map[shape]int)
	}
	counts[ownShape] += fs.kinds[secretPlain]
	return mostCommon(counts)
}

// commonKind is the kind of most secrets found, and PostgreSQL's own until then.
func (fs *findings) commonKind() secretKind {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	most := secretVerifier
	for _, k := range []secretKind{secretPlain, secretMD5} {
		if fs.kinds[k] > fs.kinds[most] {
			most = k
		}
	}
	return most
}

// mock is the entry of one whom the database does not know: it looks like most
// of those whom it knows.
func (fs *findings) mock(name string) *entry {
	u := &Users{mocked: fs.commonKind(), shape: fs.commonShape()}
	u.derived.Store(true)
	return u.mockEntry(name)
}
