package lab

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// Witness makes, run by a superuser after WriterTable, each server log what it writes: also
// what is never confirmed, and what goes when the server is rewound. What a COPY writes
// behind its first line is left out.
var Witness = []string{
	`create function witness() returns trigger language plpgsql as $$ begin
		raise log '` + witnessed + ` % % % % %', new.writer, new.seq, new.begun,
			(extract(epoch from clock_timestamp()) * 1000000)::bigint,
			('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int;
		return new;
	end $$`,
	fmt.Sprintf(`create trigger witness before insert on written for each row when (new.writer > %d) execute function witness()`, copyWriter),
}

// WitnessSettings are postgresql.conf's for a Witness: they keep its lines short.
var WitnessSettings = map[string]string{"log_error_verbosity": "terse", "log_min_error_statement": "panic"}

const witnessed = "witness saw"

// Write is a row as the server has seen it that wrote it, whatever became of it. All clocks
// are one machine's.
type Write struct {
	Member      string
	Writer, Row int
	Begun, At   time.Time // by the client, and when it was written
	Timeline    int64
}

// Writes are what the group's members have seen, in the order of time, as far as their logs
// go back.
func (g *Group) Writes() ([]Write, error) {
	var all []Write
	for _, m := range g.Members {
		log, err := os.Open(m.log)
		if err != nil {
			return nil, err
		}
		seen, err := readWrites(log, m.Name)
		log.Close()
		if err != nil {
			return nil, err
		}
		all = append(all, seen...)
	}
	slices.SortStableFunc(all, func(a, b Write) int { return a.At.Compare(b.At) })
	return all, nil
}

// ForgetWrites empties the members' logs, which grow by some 100 kB each second.
func (g *Group) ForgetWrites() error {
	for _, m := range g.Members {
		if err := os.Truncate(m.log, 0); err != nil {
			return err
		}
	}
	return nil
}

// readWrites reads a member's log. A line that was cut off, as by a crash, is left out.
func readWrites(log io.Reader, member string) ([]Write, error) {
	var all []Write
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		_, text, found := strings.Cut(lines.Text(), witnessed+" ")
		if !found {
			continue
		}
		w := Write{Member: member}
		var begun, at int64
		if _, err := fmt.Sscan(text, &w.Writer, &w.Row, &begun, &at, &w.Timeline); err != nil {
			continue
		}
		w.Begun, w.At = time.UnixMicro(begun), time.UnixMicro(at)
		all = append(all, w)
	}
	return all, lines.Err()
}

// Stray are writes that reached a server after another had taken writes on a newer timeline.
type Stray struct {
	Late     []Write // begun by their clients after that
	UnderWay []Write // begun before, as those that lay in a frozen server's sockets
}

// Strays finds them among writes in the order of time. Those of a Prober only tell when a
// timeline began: it asks stale leaders on purpose.
func Strays(writes []Write) Stray {
	first := make(map[int64]Write)
	for _, w := range writes {
		if _, ok := first[w.Timeline]; !ok {
			first[w.Timeline] = w
		}
	}
	timelines := slices.Sorted(maps.Keys(first))
	var found Stray
	for _, w := range writes {
		since, stale := succeeded(w, first, timelines)
		switch {
		case !stale || w.Writer == probeWriter:
		case w.Begun.After(since):
			found.Late = append(found.Late, w)
		default:
			found.UnderWay = append(found.UnderWay, w)
		}
	}
	return found
}

// succeeded tells since when w's server was no leader any more, if it was not: when the first
// newer timeline had begun, or, on w's own, when another server had written.
func succeeded(w Write, first map[int64]Write, timelines []int64) (since time.Time, stale bool) {
	if owner := first[w.Timeline]; owner.Member != w.Member {
		return owner.At, true
	}
	for _, timeline := range timelines {
		newer := first[timeline]
		if timeline > w.Timeline && newer.At.Before(w.At) && (!stale || newer.At.Before(since)) {
			since, stale = newer.At, true
		}
	}
	return since, stale
}
