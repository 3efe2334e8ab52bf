package top

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/gdamore/tcell/v3"
	"github.com/gdamore/tcell/v3/color"
	"github.com/gdamore/tcell/v3/tty"
)

// errNoTerminal is Run's where there is no terminal that could show a page.
var errNoTerminal = errors.New("no terminal that can show a page: --batch prints text")

// Run shows a model until somebody leaves the page, a signal ends it or ctx does. It has the
// terminal to itself, and gives it back as it was, after a panic too.
func Run(ctx context.Context, screen tcell.Screen, m *Model, c *Console) error {
	if err := screen.Init(); err != nil {
		return errors.Join(errNoTerminal, err)
	}
	defer screen.Fini() // while a panic goes up, too
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	defer stop()
	stops := make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGTSTP)
	defer signal.Stop(stops)
	sampling, end := context.WithCancel(ctx)
	s, done := newSampler(c), make(chan struct{})
	go s.run(sampling, done)
	defer func() {
		end()
		<-done
	}()
	p := &player{screen: screen, model: m, sampler: s, next: time.NewTimer(0)}
	defer p.next.Stop()
	p.draw()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-stops:
			if err := p.suspend(); err != nil {
				return err
			}
		case <-p.next.C:
			p.ask()
		case t := <-s.taken:
			p.take(t)
		case e, open := <-screen.EventQ():
			if quit, err := p.handle(e); quit || err != nil || !open {
				return err
			}
		}
		p.draw()
	}
}

// player is a model at a terminal.
type player struct {
	screen  tcell.Screen
	model   *Model
	sampler *sampler
	next    *time.Timer // when a sample is due
	waiting bool        // for one that was asked for
	rest    time.Time   // until then none is asked for: the last could not be taken
}

// respite is how long a console that is lost is left alone at least.
const respite = time.Second

// lateness is how long an answer may take before the page says that there is none.
const lateness = 3 * time.Second

// ask asks for a sample, unless none is wanted, or one is on its way, which is late then.
func (p *player) ask() {
	wanted := p.model.wanted()
	if p.waiting {
		p.model.late()
		return
	}
	if p.model.paused && p.model.now.hasAll(wanted) {
		return
	}
	p.waiting = true
	p.next.Reset(lateness)
	p.sampler.asked <- wanted
}

// take takes what was asked for, and sets when the next is due.
func (p *player) take(t taken) {
	p.waiting = false
	pause := p.model.interval
	if t.err != nil {
		p.model.lost("reconnecting: " + strings.ReplaceAll(t.err.Error(), "\n", "; "))
		pause = max(pause, respite)
		p.rest = time.Now().Add(respite)
	} else {
		p.model.take(t.sample)
		if !t.sample.hasAll(p.model.wanted()) { // another view is open by now
			pause = 0
		}
	}
	p.next.Reset(pause)
}

// handle takes what the terminal tells. True: the page is to be left.
func (p *player) handle(e tcell.Event) (quit bool, err error) {
	switch e := e.(type) {
	case *tcell.EventResize:
		p.screen.Sync()
	case *tcell.EventKey:
		key := keyOf(e)
		if key == "Ctrl-Z" {
			return false, p.suspend()
		}
		if p.model.key(key) {
			return true, nil
		}
		if !p.waiting { // the interval, the view or the pause may be another
			p.next.Reset(p.untilNext())
		}
	}
	return false, nil
}

// untilNext is how long the sample that is shown is good for, and no less than a lost console's
// respite.
func (p *player) untilNext() time.Duration {
	rest := max(0, time.Until(p.rest))
	if !p.model.now.hasAll(p.model.wanted()) {
		return rest
	}
	return max(rest, p.model.interval-time.Since(p.model.now.at))
}

// suspend gives the terminal back and stops the process until it is told to go on.
func (p *player) suspend() error {
	goesOn := make(chan os.Signal, 1) // the stop may come a moment after Kill has returned
	signal.Notify(goesOn, syscall.SIGCONT)
	defer signal.Stop(goesOn)
	if err := p.screen.Suspend(); err != nil {
		return err
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
		return err
	}
	<-goesOn
	return p.screen.Resume()
}

// keyOf names a key for Model.key.
func keyOf(e *tcell.EventKey) string {
	switch e.Key() {
	case tcell.KeyRune:
		return e.Str()
	case tcell.KeyCtrlC:
		return "Ctrl-C"
	case tcell.KeyCtrlZ:
		return "Ctrl-Z"
	case tcell.KeyEnter:
		return "Enter"
	case tcell.KeyEscape:
		return "Esc"
	case tcell.KeyBackspace:
		return "Backspace"
	}
	return e.Name()
}

// draw brings the page to the screen.
func (p *player) draw() {
	width, height := p.screen.Size()
	p.screen.Clear()
	for y, spans := range p.model.page(width, height) {
		x := 0
		for _, s := range spans {
			for text := s.text; text != ""; {
				rest, w := p.screen.Put(x, y, text, look(s.style))
				if rest == text {
					break
				}
				text, x = rest, x+max(w, 0)
			}
		}
	}
	p.screen.HideCursor()
	p.screen.Show()
}

// look is a style on the screen. Nothing is told by colour alone.
func look(s style) tcell.Style {
	d := tcell.StyleDefault
	switch s {
	case bold:
		return d.Bold(true)
	case dim:
		return d.Dim(true)
	case head, tab:
		return d.Reverse(true)
	case good:
		return d.Foreground(color.Green)
	case warn:
		return d.Foreground(color.Yellow)
	case alarm:
		return d.Foreground(color.Red).Bold(true)
	}
	return d
}

// NewScreen is the terminal's screen. unicode: it can show more than ASCII.
func NewScreen() (screen tcell.Screen, unicode bool, err error) {
	if name := os.Getenv("TERM"); name == "" || name == "dumb" {
		return nil, false, errNoTerminal
	}
	terminal, err := tty.NewDevTty()
	if err == nil {
		screen, err = tcell.NewTerminfoScreenFromTty(&utf8Input{Tty: terminal})
	}
	if err != nil {
		return nil, false, errors.Join(errNoTerminal, err)
	}
	return screen, ShowsUnicode(), nil
}

// ShowsUnicode reports whether the locale is one of UTF-8.
func ShowsUnicode() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(os.Getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
