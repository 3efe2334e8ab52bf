package admin

import (
	"time"

	"portero/metrics"
)

// totals is what SHOW STATS counts of one database.
type totals struct {
	assignments, transactions, queries, received, sent uint64
	transactionTime, queryTime, waitTime               time.Duration
	clientParses, serverParses, binds                  uint64
}

func (t *totals) add(p metrics.PoolTotals) {
	t.assignments += p.Assignments
	t.transactions += p.Transactions
	t.queries += p.Queries
	t.received += p.BytesReceived
	t.sent += p.BytesSent
	t.transactionTime += p.TransactionTime
	t.queryTime += p.QueryTime
	t.waitTime += p.WaitTime
	t.clientParses += p.ClientParses
	t.serverParses += p.ServerParses
	t.binds += p.Binds
}

// sumTotals adds up what databases have.
func sumTotals(byDatabase map[string]totals) (all totals) {
	for _, t := range byDatabase {
		all.assignments += t.assignments
		all.transactions += t.transactions
		all.queries += t.queries
		all.received += t.received
		all.sent += t.sent
		all.transactionTime += t.transactionTime
		all.queryTime += t.queryTime
		all.waitTime += t.waitTime
		all.clientParses += t.clientParses
		all.serverParses += t.serverParses
		all.binds += t.binds
	}
	return all
}

// averageSince is what PgBouncer calls averages: counts, bytes and waits per second, the other
// times per transaction and per query. A pool that has been closed takes its counts with it;
// less than before counts as nothing.
func (t totals) averageSince(old totals, past time.Duration) totals {
	return totals{
		assignments:     perSecond(t.assignments, old.assignments, past),
		transactions:    perSecond(t.transactions, old.transactions, past),
		queries:         perSecond(t.queries, old.queries, past),
		received:        perSecond(t.received, old.received, past),
		sent:            perSecond(t.sent, old.sent, past),
		transactionTime: each(t.transactionTime-old.transactionTime, t.transactions, old.transactions),
		queryTime:       each(t.queryTime-old.queryTime, t.queries, old.queries),
		waitTime:        time.Duration(perSecond(uint64(t.waitTime), uint64(old.waitTime), past)),
		clientParses:    perSecond(t.clientParses, old.clientParses, past),
		serverParses:    perSecond(t.serverParses, old.serverParses, past),
		binds:           perSecond(t.binds, old.binds, past),
	}
}

func perSecond(now, before uint64, past time.Duration) uint64 {
	if now <= before || past <= 0 {
		return 0
	}
	return uint64(float64(now-before) / past.Seconds())
}

// each is a share of what was spent.
func each(spent time.Duration, now, before uint64) time.Duration {
	if now <= before || spent <= 0 {
		return 0
	}
	return spent / time.Duration(now-before)
}

// sample is what there was at one moment.
type sample struct {
	at     time.Time
	totals map[string]totals // by database
}

// averages keeps the last two samples: an average is over at least one whole period, and at
// most two, as PgBouncer's is. It has no clock.
type averages struct{ older, newer sample }

func startAverages(now time.Time, all map[string]totals) averages {
	s := sample{now, all}
	return averages{s, s}
}

// next takes another sample, and returns the averages of all databases since the last.
func (a *averages) next(now time.Time, all map[string]totals) totals {
	a.older, a.newer = a.newer, sample{now, all}
	return sumTotals(all).averageSince(sumTotals(a.older.totals), now.Sub(a.older.at))
}

// of are the averages of one database, which has these totals now.
func (a *averages) of(database string, t totals, now time.Time) totals {
	return t.averageSince(a.older.totals[database], now.Sub(a.older.at))
}

// totals are those of all databases now, the console's own among them.
func (c *Console) totals() map[string]totals {
	all := map[string]totals{consoleDatabase: {transactions: c.queries.Load(), queries: c.queries.Load()}}
	pools := c.pools()
	for i := range pools {
		name := databaseOf(&pools[i])
		t := all[name]
		t.add(pools[i].Totals())
		all[name] = t
	}
	return all
}

// usualPeriod is that of the averages where nothing is logged.
const usualPeriod = time.Minute

// sample takes a sample after each period, and logs what has been since the last, until Close.
func (c *Console) sample() {
	defer close(c.done)
	for {
		period, logged := usualPeriod, false
		if c.o.StatsPeriod != nil {
			if p := c.o.StatsPeriod(); p > 0 {
				period, logged = p, true
			}
		}
		t := time.NewTimer(period)
		select {
		case <-c.stop:
			t.Stop()
			return
		case <-t.C:
		}
		c.takeSample(logged)
	}
}

func (c *Console) takeSample(logged bool) {
	now, all := time.Now(), c.totals()
	c.mu.Lock()
	a := c.stats.next(now, all)
	c.mu.Unlock()
	if logged {
		c.log.Info("stats", "transactions_per_s", a.transactions, "queries_per_s", a.queries,
			"client_parses_per_s", a.clientParses, "server_parses_per_s", a.serverParses, "binds_per_s", a.binds,
			"in_bytes_per_s", a.received, "out_bytes_per_s", a.sent,
			"transaction_us", a.transactionTime.Microseconds(), "query_us", a.queryTime.Microseconds(), "wait_us_per_s", a.waitTime.Microseconds())
	}
}
