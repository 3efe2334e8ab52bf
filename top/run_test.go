package top

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gdamore/tcell/v3"
	"github.com/gdamore/tcell/v3/vt"
	"github.com/jackc/pgx/v5/pgconn"
)

// onTerminal is a screen on an emulated terminal.
func onTerminal(t *testing.T, width, height int) (tcell.Screen, vt.MockTerm) {
	t.Helper()
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("LC_ALL", "C.UTF-8")
	terminal := vt.NewMockTerm(vt.MockOptSize{X: vt.Col(width), Y: vt.Row(height)})
	screen, err := tcell.NewTerminfoScreenFromTty(terminal)
	if err != nil {
		t.Fatal(err)
	}
	return screen, terminal
}

// contents are what stands on a terminal.
func contents(terminal vt.MockTerm, width, height int) string {
	var b strings.Builder
	for y := range height {
		line := ""
		for x := 0; x < width; {
			c := terminal.GetCell(vt.Coord{X: vt.Col(x), Y: vt.Row(y)})
			if c.C == "" {
				c.C = " "
			}
			line, x = line+c.C, x+max(1, c.W)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

func TestATerminalShowsThePage(t *testing.T) {
	for _, name := range []string{"pools", "clients"} {
		screen, terminal := onTerminal(t, 80, 24)
		if err := screen.Init(); err != nil {
			t.Fatal(err)
		}
		m := shown(t, "cluster.txt", true)
		m.SetView(name)
		p := &player{screen: screen, model: m}
		p.draw()
		if err := terminal.Drain(); err != nil {
			t.Fatal(err)
		}
		if got, want := contents(terminal, 80, 24), fixture(t, name+".80x24.txt"); got != want {
			t.Errorf("the terminal shows\n%s--- want\n%s", got, want)
		}
		screen.Fini()
	}
}

// restored notes that a terminal has been given back.
type restored struct {
	vt.MockTerm
	stopped bool
}

func (r *restored) Stop() error {
	r.stopped = true
	return r.MockTerm.Stop()
}

func TestAPanicGivesTheTerminalBack(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	terminal := &restored{MockTerm: vt.NewMockTerm()}
	screen, err := tcell.NewTerminfoScreenFromTty(terminal)
	if err != nil {
		t.Fatal(err)
	}
	way, err := pgconn.ParseConfig("host=127.0.0.1 port=1 user=nobody")
	if err != nil {
		t.Fatal(err)
	}
	m := shown(t, "cluster.txt", true)
	m.signs = nil // with which no page can be made
	func() {
		defer func() {
			if recover() == nil {
				t.Error("there is no panic")
			}
		}()
		Run(context.Background(), screen, m, NewConsole(way)) //nolint:errcheck // it panics
	}()
	if !terminal.stopped {
		t.Error("the terminal is not given back")
	}
}

// Each try may be a login.
func TestKeysDoNotHurryALostConsole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewModel("", longest, true)
		p := &player{model: m, next: time.NewTimer(longest), waiting: true}
		p.take(taken{err: errors.New("no")})
		if _, err := p.handle(tcell.NewEventKey(tcell.KeyRune, "3", tcell.ModNone)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if <-p.next.C; time.Since(began) != respite {
			t.Errorf("it is asked again after %s", time.Since(began))
		}
	})
}

func TestAnAnswerThatIsLateIsSaidToBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shown(t, "cluster.txt", true)
		p := &player{model: m, next: time.NewTimer(0), sampler: &sampler{asked: make(chan []string, 1)}}
		<-p.next.C
		p.ask()
		if m.trouble != "" {
			t.Errorf("at once: %s", m.trouble)
		}
		<-p.next.C
		p.ask()
		if !strings.Contains(m.trouble, "no answer since ") {
			t.Errorf("after %s: %q", lateness, m.trouble)
		}
	})
}
