package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/internal/lab"
	"portero/internal/page"
)

// haproxyAloneName is a chain that only transfers go through.
const haproxyAloneName = "haproxy"

// transferSize is what one transfer carries, in bytes.
const transferSize = 100_000_000

// transferTime is how long transfers of one run are repeated, at least.
const transferTime = time.Second

// transfer is a large statement: so many bytes in rows or lines of one length.
type transfer struct {
	name string
	sql  string
	in   bool // from the client to PostgreSQL; else the other way
}

// transfers is in the order of the table. Nothing that is copied in is kept: what a server
// does with its disks is not what is measured.
var transfers = []transfer{
	{"a result, rows of 100 bytes", rows(100), false},
	{"a result, rows of 10 kB", rows(10_000), false},
	{"COPY out, lines of 100 bytes", "copy (" + rows(100) + ") to stdout", false},
	{"COPY in, 8 kB at a time", "copy bench_lines from stdin where false", true},
}

// rows makes a transfer of rows of a length; 11 bytes of each are the protocol's.
func rows(length int) string {
	return fmt.Sprintf("select repeat('x', %d) from generate_series(1, %d)", length-11, transferSize/length)
}

const transferTable = "create unlogged table if not exists bench_lines (line text)"

// flow is what a chain's processor time comes to in a kind of transfer.
type flow struct {
	perCPU float64 // MB per second of CPU
	rate   float64 // MB per second
}

// course is one line of the table.
type course struct{ transfer, chain string }

// measureTransfers runs each transfer through each chain, in turn.
func (r *report) measureTransfers(ctx context.Context, b *builder, p plan, names []string) error {
	if err := lab.RunSQL(ctx, b.superuser, transferTable); err != nil {
		return err
	}
	chains, err := b.startTransferChains(ctx, names)
	defer stopAll(chains)
	if err != nil {
		return err
	}
	runs := make(map[course][]flow)
	err = r.inRounds(ctx, p, func(round string) error {
		for _, t := range transfers {
			for _, c := range chains {
				got, err := t.measure(ctx, c)
				if err != nil {
					return fmt.Errorf("%s, chain %s: %w\n%s", t.name, c.name, err, c.outputs())
				}
				progress("%s: %-28s %-18s %6.0f MB per CPU second, %5.0f MB/s", round, t.name, label(c.name), got.perCPU, got.rate)
				runs[course{t.name, c.name}] = append(runs[course{t.name, c.name}], got)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.transfers = make(map[course]flow, len(runs))
	for key, all := range runs {
		r.transfers[key] = flow{
			perCPU: medianOf(all, func(f flow) float64 { return f.perCPU }),
			rate:   medianOf(all, func(f flow) float64 { return f.rate }),
		}
	}
	return nil
}

// startTransferChains starts those that transfers go through, HAProxy straight to PostgreSQL
// among them; those it returns are running, also beside an error.
func (b *builder) startTransferChains(ctx context.Context, names []string) ([]*chain, error) {
	var chains []*chain
	if b.tools.haproxy != "" {
		c, err := b.launch(ctx, haproxyAloneName, door{}, startHAProxyAlone)
		if err != nil {
			return nil, err
		}
		chains = append(chains, c)
	}
	others, err := startAll(ctx, b, only(names, pgbouncerName, beforeName, porteroName), door{})
	return append(chains, others...), err
}

// measure repeats a transfer through a chain for a while.
func (t transfer) measure(ctx context.Context, c *chain) (got flow, err error) {
	client, err := c.login(ctx)
	if err != nil {
		return got, err
	}
	defer client.conn.Close()
	if err := client.query(); err != nil { // so that it has a server
		return got, err
	}
	before, err := c.cpu()
	if err != nil {
		return got, err
	}
	begun := time.Now()
	var carried int64
	for time.Since(begun) < transferTime {
		if err := ctx.Err(); err != nil {
			return got, err
		}
		n, err := t.carry(client)
		if err != nil {
			return got, err
		}
		carried += n
	}
	passed := time.Since(begun)
	after, err := c.cpu()
	if err != nil {
		return got, err
	}
	megabytes := float64(carried) / 1e6
	return flow{perCPU: megabytes / (after - before).Seconds(), rate: megabytes / passed.Seconds()}, nil
}

// carry does a transfer once and returns how many bytes there were.
func (t transfer) carry(c client) (int64, error) {
	if err := c.conn.SetDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	question, err := (&pgproto3.Query{String: t.sql}).Encode(nil)
	if err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(question); err != nil {
		return 0, err
	}
	if !t.in {
		return readAnswer(c.conn)
	}
	sent, err := writeLines(c.conn, transferSize)
	if err != nil {
		return 0, err
	}
	_, err = readAnswer(c.conn)
	return sent, err
}

func (r report) transferTable() string {
	rows := [][]string{{"transfer", "chain", "MB per CPU second", "MB/s"}}
	for _, t := range transfers {
		for _, name := range append([]string{haproxyAloneName}, kindNames()...) {
			if f, found := r.transfers[course{t.name, name}]; found {
				rows = append(rows, []string{t.name, label(name), number(f.perCPU, 0), number(f.rate, 0)})
			}
		}
	}
	return page.Table(rows, "llrr")
}
