package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/internal/lab"
)

// What the manifests of packaging/kubernetes have Portero and Kubernetes do, with real processes:
// their own proxy.toml, in which only addresses and files are others.

const manifests = "../../packaging/kubernetes/"

// kube is where pods run.
type kube struct {
	t     *testing.T
	etcd  *lab.Etcd
	dir   string
	bench string // pgbench
	pods  int
}

func newKube(t *testing.T) *kube {
	t.Helper()
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create role app login", "create database app owner app"}})
	bin, err := lab.PostgresBin()
	if err != nil {
		t.Fatal(err)
	}
	k := &kube{t: t, etcd: lab.EtcdForTest(t, 1, lab.EtcdOptions{}), dir: t.TempDir(), bench: filepath.Join(bin, "pgbench")}
	for key, value := range map[string]string{
		"members/m1": fmt.Sprintf(`{"conn_url":"postgres://%s/postgres","state":"running","role":"master","timeline":1,"xlog_location":1}`, postgres.Address()),
		"leader":     "m1",
	} {
		if _, err := k.etcd.Client.Put(t.Context(), "/service/demo/"+key, value); err != nil {
			t.Fatal(err)
		}
	}
	k.write("one.sql", "select 1;")
	return k
}

func (k *kube) write(name, text string) (path string) {
	k.t.Helper()
	path = filepath.Join(k.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
	return path
}

// config is a proxy.toml of the manifests for a pod at these addresses.
func (k *kube) config(file, listen, admin string) string {
	k.t.Helper()
	text, err := os.ReadFile(manifests + file)
	if err != nil {
		k.t.Fatal(err)
	}
	users, err := os.ReadFile(manifests + "base/userlist.txt")
	if err != nil {
		k.t.Fatal(err)
	}
	k.pods++
	k.write("userlist.txt", string(users))
	quoted := func(s ...string) string { return `"` + strings.Join(s, `", "`) + `"` }
	done := strings.NewReplacer(
		`":6432"`, quoted(listen), `"127.0.0.1:6432"`, quoted(listen), `"unix:/run/portero"`, quoted(listen), `":9632"`, quoted(admin),
		`"/etc/portero-users/userlist.txt"`, quoted("userlist.txt"),
		`"etcd-0.etcd:2379", "etcd-1.etcd:2379", "etcd-2.etcd:2379"`, quoted(k.etcd.Endpoints()...),
		`"https://etcd-0.etcd:2379", "https://etcd-1.etcd:2379", "https://etcd-2.etcd:2379"`, quoted(k.etcd.Endpoints()...),
		`shutdown_delay = "10s"`, `shutdown_delay = "5s"`,
	).Replace(string(text))
	return k.write(fmt.Sprintf("proxy-%d.toml", k.pods), done)
}

// pod is a Portero in Kubernetes.
type pod struct {
	t             *testing.T
	listen, admin string
	log           string
	process       *exec.Cmd
	ended         chan struct{}
}

// run starts a pod and returns when its startupProbe has passed.
func (k *kube) run(file, listen string) *pod {
	k.t.Helper()
	admin := freeAddresses(k.t, 1)[0]
	path := k.config(file, listen, admin)
	self, err := os.Executable()
	if err != nil {
		k.t.Fatal(err)
	}
	p := &pod{t: k.t, listen: listen, admin: admin, log: path + ".log", ended: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		k.t.Fatal(err)
	}
	defer log.Close()
	p.process = exec.Command(self, "serve", "--config", path)
	p.process.Env = append(os.Environ(), asProgram+"=1")
	p.process.Stderr = log
	p.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.process.Start(); err != nil {
		k.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.process.Wait() //nolint:errcheck // its status is looked at
	}()
	k.t.Cleanup(func() {
		p.process.Process.Kill() //nolint:errcheck // it has ended, mostly
		<-p.ended
		if k.t.Failed() {
			k.t.Logf("%s:\n%s", path, p.said())
		}
	})
	eventually(k.t, func() error { return p.probe("/readyz?route=app", http.StatusOK) })
	return p
}

func (p *pod) said() string {
	text, _ := os.ReadFile(p.log) // none before its first word
	return string(text)
}

// probe is nil if a path answers as it should.
func (p *pod) probe(path string, want int) error {
	answer, err := http.Get("http://" + p.admin + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != want {
		err = fmt.Errorf("%s answers %d: %s", path, answer.StatusCode, body)
	}
	return err
}

// mustProbe is the life of the readiness and the liveness probe.
func (p *pod) mustProbe(ready int) {
	p.t.Helper()
	if err := errors.Join(p.probe("/readyz", ready), p.probe("/livez", http.StatusOK)); err != nil {
		p.t.Error(err)
	}
}

func (p *pod) term() { p.process.Process.Signal(syscall.SIGTERM) } //nolint:errcheck // it ends, or has ended

// mustEnd waits for the end, at which nobody may have been cut.
func (p *pod) mustEnd() {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatal("it does not end")
	}
	if status := p.process.ProcessState.ExitCode(); status != 0 {
		p.t.Errorf("exit status %d", status)
	}
	if strings.Contains(p.said(), "clients cut") {
		p.t.Error("clients were cut")
	}
}

// app runs clients that connect anew for each transaction, for so long or so often. It returns
// at once; what they have to say against it comes when they have ended.
func (k *kube) app(host, port string, how ...string) <-chan error {
	cmd := k.pgbench(host, port, how...)
	ended := make(chan error, 1)
	go func() {
		out, err := cmd.CombinedOutput()
		if err == nil && (strings.Contains(string(out), "error") || strings.Contains(string(out), "aborted")) {
			err = errors.New("clients had errors")
		}
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		ended <- err
	}()
	return ended
}

func (k *kube) pgbench(host, port string, how ...string) *exec.Cmd {
	args := append([]string{"-n", "-C", "-c", "3", "-j", "2", "-f", filepath.Join(k.dir, "one.sql"), "-h", host, "-p", port, "-U", "app"}, how...)
	cmd := exec.CommandContext(k.t.Context(), k.bench, append(args, "app")...)
	cmd.Env = append(os.Environ(), "PGSSLMODE=disable", "PGPASSWORD=secret")
	return cmd
}

func TestTheConfigurationsForKubernetesAreInOrder(t *testing.T) {
	k := &kube{t: t, etcd: &lab.Etcd{}, dir: t.TempDir()}
	files, err := filepath.Glob(manifests + "*/*/proxy.toml")
	if err != nil || len(files) != 3 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range append(files, manifests+"base/proxy.toml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		path := k.write("proxy.toml", strings.ReplaceAll(string(text), "/etc/portero-users/", k.dir+"/"))
		k.write("userlist.txt", "\"app\" \"secret\"\n")
		if stdout, stderr, status := portero("check", "--config", path); status != 0 || stderr != "" {
			t.Errorf("%s: status %d\n%s%s", file, status, stdout, stderr)
		}
	}
}

// service is a Service with kube-proxy, which learns late of what probes say: whom it sends to a
// pod meanwhile has to be served there.
type service struct {
	net.Listener
	to    atomic.Pointer[pod]
	tasks sync.WaitGroup
}

func newService(t *testing.T, first *pod) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{Listener: l}
	s.to.Store(first)
	s.tasks.Go(s.accept)
	t.Cleanup(func() { l.Close(); s.tasks.Wait() })
	return s
}

func (s *service) accept() {
	for {
		client, err := s.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", s.to.Load().listen)
		if err != nil {
			client.Close()
			continue
		}
		s.tasks.Go(func() { io.Copy(server, client); server.(*net.TCPConn).CloseWrite() }) //nolint:errcheck // the other side is told
		s.tasks.Go(func() { io.Copy(client, server); client.Close(); server.Close() })     //nolint:errcheck // likewise
	}
}

func TestPodsLiveAndEndAsTheManifestsSay(t *testing.T) {
	t.Parallel()
	k := newKube(t)
	t.Run("a rollout costs no client an error", k.rollout)
	for _, c := range []struct{ file, how string }{{"components/sidecar/proxy.toml", "TCP"}, {"overlays/sidecar-socket/proxy.toml", "a socket"}} {
		t.Run("a sidecar outlives its application, by "+c.how, func(t *testing.T) { k.sidecar(t, c.file) })
	}
}

// with is the same for a part of the test.
func (k *kube) with(t *testing.T) *kube {
	part := *k
	part.t = t
	return &part
}

// A new pod is started and ready before the old one is told to go; endpoints change a while
// after that.
func (k *kube) rollout(t *testing.T) {
	k = k.with(t)
	const file = "overlays/deployment/proxy.toml"
	addresses := freeAddresses(t, 2)
	old := k.run(file, addresses[0])
	old.mustProbe(http.StatusOK)
	s := newService(t, old)
	host, port, _ := net.SplitHostPort(s.Addr().String())
	next := k.run(file, addresses[1])
	next.mustProbe(http.StatusOK)
	clients := k.app(host, port, "-T", "7") // beyond the delay
	busy := connectWith(t, "postgres://app:secret@"+old.listen+"/app")
	mustAsk(t, busy, "begin; select 1", "1")

	old.term()
	eventually(t, func() error { return old.probe("/readyz", http.StatusServiceUnavailable) })
	if err := <-k.app(host, port, "-t", "5"); err != nil { // while all still come to the old one
		t.Errorf("in the delay: %v", err)
	}
	if old.drains() == nil {
		t.Fatal("the delay was over before they were done")
	}
	s.to.Store(next)
	old.mustProbe(http.StatusServiceUnavailable)
	eventually(t, old.drains)
	old.mustProbe(http.StatusServiceUnavailable)
	mustAsk(t, busy, "commit", "")
	old.mustEnd()
	if err := <-clients; err != nil {
		t.Error(err)
	}
	next.mustProbe(http.StatusOK)
}

// drains is nil when the delay is over.
func (p *pod) drains() error {
	if !strings.Contains(p.said(), `"msg":"shutting down"`) {
		return errors.New("it does not drain")
	}
	return nil
}

// A native sidecar is started before the application, and told to end when that has ended:
// whatever the application still does behind its own TERM has its database.
func (k *kube) sidecar(t *testing.T, file string) {
	k = k.with(t)
	listen := freeAddresses(t, 1)[0]
	host, port, _ := net.SplitHostPort(listen)
	if strings.HasPrefix(file, "overlays/sidecar-socket") {
		listen, host, port = "unix:"+k.dir, k.dir, "6432"
	}
	p := k.run(file, listen) // the application waits for that
	if err := <-k.app(host, port, "-t", "5"); err != nil {
		t.Errorf("the application: %v", err)
	}
	last := k.pgbench(host, port, "-t", "5") // what it does behind its TERM
	app := exec.Command("/bin/sh", append([]string{"-c", `trap 'exec "$@"' TERM; echo up; while :; do sleep 0.05; done`, "app"}, last.Args...)...)
	app.Env = last.Env
	app.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out := &output{}
	app.Stdout, app.Stderr = out, out
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if out.String() != "up\n" {
			return errors.New("it is not up")
		}
		return nil
	})
	app.Process.Signal(syscall.SIGTERM) //nolint:errcheck // the pod is deleted
	if err := app.Wait(); err != nil || !strings.Contains(out.String(), "15/15") {
		t.Errorf("the application at its end: %v\n%s", err, out)
	}
	p.mustProbe(http.StatusOK)
	p.term()
	p.mustEnd() // at once: its shutdown_timeout is for nobody
}

func connectWith(t *testing.T, dsn string) *pgconn.PgConn {
	t.Helper()
	client, err := pgconn.Connect(t.Context(), dsn+"?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(client) })
	return client
}
