package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"portero/internal/lab"
)

const (
	observed = 3 * time.Second  // of undisturbed writing before and after each event
	lastRow  = 30 * time.Second // at the end, for the row at hand
)

// demo is everything that runs.
type demo struct {
	options  options
	portero  *lab.Portero
	etcd     *lab.Etcd
	cluster  *lab.Cluster
	group    *lab.Group // the one that things happen to
	idle     *lab.Crowd
	writers  *lab.Writers
	prober   *lab.Prober
	progress *progress
}

// run shows everything, and has ended all that it started when it returns.
func run(ctx context.Context, o options) error {
	d := &demo{options: o}
	defer d.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // first, so that close finds nobody who waits
	if err := d.start(ctx); err != nil {
		return err
	}
	outcomes, err := d.disturb(ctx)
	if err != nil {
		return err
	}
	if err := d.judge(ctx, outcomes); err != nil {
		return err
	}
	d.stayUp(ctx)
	return nil
}

// start starts Portero, then clients, then what they are waiting for.
func (d *demo) start(ctx context.Context) error {
	etcdPorts, err := lab.ReservePorts(3)
	if err != nil {
		return err
	}
	if d.portero, err = startPortero(ctx, d.options.portero, lab.Addresses(etcdPorts)); err != nil {
		return err
	}
	fmt.Printf("Portero listens on %s. There is no etcd and no database yet.\n", d.portero.Address)
	d.idle = lab.StartCrowd(ctx, d.options.idle, d.dsn("app"), d.dsn("worker1"))
	fmt.Printf("%d clients connect to it; starting etcd (3 members) and Patroni (2 groups of 2) ...\n", d.options.idle)

	began := time.Now()
	if err := d.startCluster(ctx, etcdPorts); err != nil {
		return err
	}
	d.group = d.cluster.Groups[0]
	fmt.Printf("Both groups are up after %s: ttl %v, loop_wait %v, synchronous replica.\n",
		inSeconds(time.Since(began)), d.options.ttl, d.options.loopWait)
	held, err := d.idle.Wait()
	if err != nil {
		return fmt.Errorf("a client that came before the database was not held: %w\n%s", err, d.portero.LogTail(20))
	}
	if d.options.idle > 0 {
		fmt.Printf("The %d clients were held for %s, have been answered, and are idle from now on.\n",
			d.options.idle, inSeconds(held))
	}
	return d.portero.Alive()
}

func (d *demo) dsn(database string) string { return d.portero.DSN("app", "app", database) }

func (d *demo) startCluster(ctx context.Context, etcdPorts []int) error {
	var err error
	if d.etcd, err = lab.StartEtcd(ctx, len(etcdPorts), lab.EtcdOptions{Ports: etcdPorts}); err != nil {
		return err
	}
	d.cluster, err = lab.StartCluster(ctx, lab.ClusterOptions{
		Namespace: "/service/demo", Scopes: []string{"0", "1"}, Members: 2, Etcd: d.etcd,
		TTL: d.options.ttl, LoopWait: d.options.loopWait, RetryTimeout: d.options.retryTimeout(),
		Synchronous: true,
	})
	if err != nil {
		return err
	}
	leader, err := d.cluster.Groups[0].Leader(ctx)
	if err != nil {
		return err
	}
	return lab.RunSQL(ctx, leader.SuperuserDSN("app"), lab.WriterTable...)
}

// disturb lets all write, makes the events happen, and returns when the last row is written.
func (d *demo) disturb(ctx context.Context) ([]*outcome, error) {
	watching, unwatch := context.WithCancel(ctx)
	defer unwatch()
	d.writers = lab.StartWriters(ctx, d.options.writers, d.dsn("app"))
	d.prober = lab.StartProber(watching, d.group.Members)
	d.progress = startProgress(watching, d.writers, d.group)

	outcomes, err := d.happen(ctx)
	finishing, giveUp := context.WithTimeout(ctx, lastRow)
	defer giveUp()
	if err != nil {
		giveUp()
	}
	d.writers.Stop(finishing)
	unwatch()
	d.prober.Wait()
	d.progress.done.Wait()
	return outcomes, err
}

// happen makes each event happen, as often as asked for.
func (d *demo) happen(ctx context.Context) ([]*outcome, error) {
	var outcomes []*outcome
	if err := d.settle(ctx); err != nil {
		return nil, err
	}
	for range d.options.runs {
		for _, name := range d.options.events {
			o, err := d.happenOnce(ctx, eventByName(name))
			if err != nil {
				return nil, err
			}
			outcomes = append(outcomes, o)
		}
	}
	return outcomes, nil
}

func (d *demo) happenOnce(ctx context.Context, e *event) (*outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	leader, err := d.group.Leader(ctx)
	if err != nil {
		return nil, err
	}
	o := &outcome{event: e, what: e.describe(leader), from: time.Now()}
	d.progress.say(o.what)
	if err := e.happen(ctx, d.group, leader); err != nil {
		return nil, fmt.Errorf("%s: %w", o.what, err)
	}
	if err := d.settle(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", o.what, err)
	}
	o.to = time.Now()
	o.measure(d.writers.Ledger(), d.prober)
	d.progress.say(fmt.Sprintf("healthy again; the database was unwritable for %s, its clients waited %s",
		inSeconds(o.unwritable), inSeconds(o.paused)))
	return o, nil
}

// settle waits for the group's health, and then until each writer has gone on for a while.
func (d *demo) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := d.group.WaitHealthy(ctx); err != nil {
		return err
	}
	enough := time.Now().Add(observed)
	return lab.Poll(ctx, "wait for the writers", func() error {
		if err := d.portero.Alive(); err != nil {
			return err
		}
		for i, account := range d.writers.Ledger() {
			if last := account.Last(); last.Before(enough) {
				return fmt.Errorf("writer %d has had no row acknowledged since %s", i, last.Format(time.TimeOnly))
			}
		}
		return nil
	})
}

// judge counts the rows and prints what came of everything.
func (d *demo) judge(ctx context.Context, outcomes []*outcome) error {
	ledger := d.writers.Ledger()
	found, err := d.audit(ctx, ledger, outcomes)
	if err != nil {
		return err
	}
	survivors, _ := d.idle.Survivors(ctx) // the count says it
	printOutcomes(outcomes)
	if d.options.runs > 1 {
		printSpread(outcomes)
	}
	fmt.Println()
	if d.options.idle > 0 {
		fmt.Printf("%d of %d idle clients answer on the connection they opened before there was a database.\n",
			survivors, d.options.idle)
	}
	fmt.Printf("%d rows were acknowledged: %d of them lost, %d written twice.\n",
		ledger.Acknowledged(), len(found.Lost), len(found.Twice))
	doubts, there := ledger.Unknown()
	fmt.Printf("%d times a writer did not know and looked: %d rows had been written, %d had not.\n",
		doubts, there, doubts-there)
	if len(found.Lost) > 0 || len(found.Twice) > 0 || survivors < d.options.idle {
		return errBroken
	}
	return nil
}

// stayUp keeps everything running for somebody at a terminal, until Ctrl-C.
func (d *demo) stayUp(ctx context.Context) {
	if _, err := unix.IoctlGetTermios(int(os.Stdout.Fd()), unix.TCGETS); err != nil {
		return
	}
	host, port, _ := net.SplitHostPort(d.portero.Address) // we have made it
	fmt.Printf("\nTry it, in another terminal; Ctrl-C here ends it:\n")
	for _, database := range []string{"app", "worker1"} {
		fmt.Printf("  PGPASSWORD=app psql -h %s -p %s -U app %s\n", host, port, database)
	}
	fmt.Printf("  curl -s http://%s/metrics\n", d.portero.Admin)
	<-ctx.Done()
}

// close ends everything, clients first.
func (d *demo) close() {
	if d.idle != nil {
		d.idle.HangUp()
	}
	if d.portero != nil {
		_ = d.portero.Close()
	}
	if d.cluster != nil {
		_ = d.cluster.Close()
	}
	if d.etcd != nil {
		_ = d.etcd.Close()
	}
}
