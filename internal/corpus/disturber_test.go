package corpus

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// disturber works on the pool that a script's client has its servers from: with settings of its
// own, in objects that are nobody's. What it leaves behind shows in the script's output, what
// others leave for it in what it says.
type disturber struct {
	*client
	round  int
	answer chan []string // of the last work, while it has not been taken; else nil
	moods  []mood
	wants  string // what its settings have to be; "": whatever they are
}

func newDisturber(address, user string) (*disturber, error) {
	c, said, err := connect(address, user, map[string]string{"application_name": "disturber"})
	if err == nil && c.ended {
		err = fmt.Errorf("%q", said)
	}
	return &disturber{client: c, moods: moods}, err
}

// mood is what a disturber sets, and how that is shown.
type mood struct{ set, values string }

// moods are the settings of a disturber in turn, some reported when they change, some not.
var moods = []mood{
	{"set datestyle = 'German'; set search_path = disturber; set work_mem = '77kB'; set bytea_output = 'escape'; set app.tenant = 'disturber'",
		"German, DMY|disturber|77kB|escape|disturber"},
	{"set datestyle = 'SQL, DMY'; set search_path = pg_catalog; set work_mem = '88kB'; set bytea_output = 'hex'; set app.tenant = 'of nobody'",
		"SQL, DMY|pg_catalog|88kB|hex|of nobody"},
	{"set timezone = 'Asia/Tokyo'; set intervalstyle = 'iso_8601'; set extra_float_digits = -3; reset work_mem; set statement_timeout = '50s'; set lock_timeout = '40s'",
		"SQL, DMY|pg_catalog|4MB|hex|of nobody"},
	{"set application_name = 'another'; set row_security = off; set default_statistics_target = 7; set enable_seqscan = off; set work_mem = '99kB'",
		"SQL, DMY|pg_catalog|99kB|hex|of nobody"},
}

const moodQuery = "select concat_ws('|', current_setting('datestyle'), current_setting('search_path'), current_setting('work_mem'), " +
	"current_setting('bytea_output'), current_setting('app.tenant', true))"

// begin opens a transaction, looks at the disturber's settings and changes them. The answer is
// for take: it comes when there is a server for it.
func (d *disturber) begin() {
	mood := d.moods[d.round%len(d.moods)]
	d.round++
	sql := "begin; " + moodQuery + "; " + mood.set
	d.answer = make(chan []string, 1)
	go d.work(sql, d.answer)
}

func (d *disturber) work(sql string, answer chan<- []string) {
	answer <- d.exchange(nil, &pgproto3.Query{String: sql})
}

// take waits for the answer to begin and returns what was wrong with it. ok is false if it has
// not come in time.
func (d *disturber) take(patience time.Duration) (wrong []string, ok bool) {
	select {
	case said := <-d.answer:
		d.answer = nil
		return d.look(said), true
	case <-time.After(patience):
		return nil, false
	}
}

// look compares what the disturber has met with what it has set.
func (d *disturber) look(said []string) (wrong []string) {
	for _, line := range said {
		switch line[0] {
		case 'D':
			if want := fmt.Sprintf("D %q", d.wants); d.wants != "" && line != want {
				wrong = append(wrong, fmt.Sprintf("the disturber has set %s and has %s", want, line))
			}
		case 'E', 't':
			wrong = append(wrong, "the disturber was told "+line)
		}
	}
	return wrong
}

// commit ends the transaction, and gives the server back.
func (d *disturber) commit() (wrong []string) {
	d.wants = d.moods[(d.round-1)%len(d.moods)].values
	return d.look(d.exchange(nil, &pgproto3.Query{String: "commit"}))
}

// disturbers see to it that a client in transaction mode has another server for each
// transaction, as far as it can be given one: of the two servers of the pool one always
// disturbs in an open transaction, and the two disturbers take turns.
type disturbers struct {
	all    [2]*disturber
	holder int  // who has a server
	queued bool // the other one waits for one: the client keeps what it has
}

func startDisturbers(address, user string, moods []mood) (*disturbers, error) {
	ds := &disturbers{}
	for i := range ds.all {
		d, err := newDisturber(address, user)
		if err != nil {
			return nil, err
		}
		d.moods = moods
		ds.all[i] = d
	}
	first := ds.all[0]
	first.begin()
	first.take(patience)
	return ds, nil
}

// pinned is how long a server is waited for that the client does not need any more, for all we
// can see. If it does not come, the client goes on with the one that it has.
const pinned = 300 * time.Millisecond

// between works between two statements of a client without a transaction.
func (ds *disturbers) between() []string {
	other := ds.all[1-ds.holder]
	if !ds.queued {
		other.begin()
		ds.queued = true
		return ds.swap(pinned)
	}
	return ds.swap(0)
}

// swap lets the one that waits have its turn, if it has got a server.
func (ds *disturbers) swap(patience time.Duration) []string {
	if !ds.queued {
		return nil
	}
	wrong, ok := ds.all[1-ds.holder].take(patience)
	if !ok {
		return nil
	}
	ds.queued = false
	wrong = append(wrong, ds.all[ds.holder].commit()...)
	ds.holder = 1 - ds.holder
	return wrong
}

func (ds *disturbers) close() {
	ds.all[ds.holder].close()
	other := ds.all[1-ds.holder]
	if ds.queued {
		<-other.answer
	}
	other.close()
}

// disturb starts who disturbs a script in a mode: between is called before each statement, with
// the client's status, and returns what was wrong with the disturbers.
func (s *scene) disturb(m mode, user string) (between func(status byte) []string, end func()) {
	switch m {
	case session:
		d, err := newDisturber(s.addresses[m], user)
		if err != nil {
			s.t.Fatal(err)
		}
		return func(status byte) []string { return d.alone(status) }, d.close
	case transaction, pgbouncer:
		set := moods
		if m == pgbouncer {
			set = []mood{{set: "select 1"}} // a client of PgBouncer would have what others set
		}
		ds, err := startDisturbers(s.addresses[m], user, set)
		if err != nil {
			s.t.Fatal(err)
		}
		return ds.step, ds.close
	}
	return func(byte) []string { return nil }, func() {}
}

func (ds *disturbers) step(status byte) []string {
	switch status {
	case 'I':
		return ds.between()
	case works:
		return ds.swap(0)
	}
	return nil
}

// alone is a round of a disturber that has a server of its own.
func (d *disturber) alone(status byte) []string {
	if status == works {
		return nil
	}
	d.begin()
	wrong, _ := d.take(patience)
	return append(wrong, d.commit()...)
}

// tick is when a statement without an answer is looked after again.
func tick() <-chan time.Time { return time.After(20 * time.Millisecond) }
