package session

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"portero/wire"
)

// player does with a session what the relay does.
type player struct {
	t        testing.TB
	s        Session
	out      []string
	state    string
	linked   bool
	full     bool
	keep     bool
	waiting  []token // the rest of a line whose first message waits for a server
	imagined bool
	real     *realServer
	memory   *Memory // of the server in use
	held     []token // what waits for answers
	kept     []token // what has been sent since nothing was under way
	ahead    []byte  // what goes to the next server before all else
}

// loginDefaults are a server's parameters at login, as far as the transcripts
// change them.
type loginDefaults map[string]string

func (d loginDefaults) Default(name string) (string, bool) {
	v, ok := d[name]
	return v, ok
}

var serverDefaults = loginDefaults{
	"TimeZone": "UTC", "application_name": "", "DateStyle": "ISO, MDY", "session_authorization": "app", "is_superuser": "off", "role": "none",
}

func newPlayer(t testing.TB, real *realServer) *player {
	p := &player{t: t, real: real}
	p.s.Reset(Rest{})
	p.s.Serve(serverDefaults, nil)
	p.memory = &Memory{}
	p.state = stateText(&p.s)
	return p
}

func (p *player) do(line string) {
	p.t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "client":
		p.client(tokens(p.t, rest))
	case "server":
		for _, k := range tokens(p.t, rest) {
			p.server(k)
		}
	case "stops":
		p.stops(tokens(p.t, rest))
	case "lose":
		p.lost(nil)
	case "full", "free":
		p.full = word == "full"
	case "refuse":
		code, text, _ := strings.Cut(rest, " ")
		p.refuse(wire.Errorf(code, "%s", text))
	case "keep":
		p.keep = true
	case "renames":
		p.ahead = AppendRename(p.ahead, rest)
	case "restores":
		p.ahead = append(p.ahead, RestoreName...)
	case "imagined":
		p.imagined = true
	case "resolves":
		p.s.Resolves(true)
	case "standbys":
		p.s.OnStandbys(true)
	case "found":
		p.found(rest)
	default:
		p.t.Fatalf("transcript: unknown command %q", line)
	}
}

func (p *player) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if now := stateText(&p.s); now != p.state {
		p.state = now
		text = fmt.Sprintf("%-44s | %s", text, now)
	}
	p.out = append(p.out, text)
}

func (p *player) client(list []token) {
	p.t.Helper()
	for i, k := range list {
		f := clientFrame(p.t, k)
		name := describeToken(k)
		if !p.s.Busy() {
			p.kept = nil
		}
		switch v := p.s.FromClient(f, p.linked); v {
		case Forward:
			if !p.linked && p.full {
				p.say("%s waits for a server", name)
				p.waiting = list[i+1:]
				return
			}
			p.forwardToServer(f, name)
			p.kept = append(p.kept, k)
		case Answer:
			p.say("answered %s", name)
			p.replies()
		case Discard:
			p.say("discarded %s", name)
		case Wait:
			p.say("%s waits for answers", name)
			p.held = list[i:]
			return
		case Finish:
			p.say("the client leaves")
		case Violate:
			p.say("client<- %s, and the end", answerText(p.t, frameOf(p.t, p.s.Fault), true))
			return
		}
	}
}

func (p *player) forwardToServer(f wire.Frame, name string) {
	if !p.linked {
		p.out = append(p.out, "acquire")
		p.linked = true
		p.s.Serve(serverDefaults, p.memory)
		p.goAhead()
	}
	edit, replaced := p.s.Send(f)
	if replaced == 0 && len(edit) == 0 {
		p.real.send(f)
		p.say("server<- %s", name)
		return
	}
	raw := append(header(f.Type, len(f.Body)), f.Body...)[replaced:]
	for b := append(bytes.Clone(edit), raw...); len(b) > 0; {
		one, ok, err := wire.Next(b)
		if !ok || err != nil || !one.Whole() {
			p.t.Fatalf("the session makes broken frames of %s: %q", name, b)
		}
		p.real.send(one)
		p.say("server<- %s", requestText(p.t, one))
		b = b[wire.HeaderLen+one.Size:]
	}
}

// goAhead sends what goes before the client's first frame.
func (p *player) goAhead() {
	p.t.Helper()
	queries := 0
	for b := p.ahead; len(b) > 0; queries++ {
		one, _, _ := wire.Next(b)
		p.real.send(one)
		p.out = append(p.out, "server<- "+requestText(p.t, one)+" ahead")
		b = b[wire.HeaderLen+one.Size:]
	}
	if p.ahead = nil; queries > 0 {
		p.s.Ahead(queries)
	}
}

func (p *player) server(k token) {
	p.t.Helper()
	f := serverFrame(p.t, k)
	text := answerText(p.t, f, false)
	if p.imagined {
		p.real = nil
	}
	p.real.expect(text)
	p.answer(f, text)
}

// answer shows the session a frame of the server.
func (p *player) answer(f wire.Frame, text string) {
	p.t.Helper()
	defer p.goOn()
	switch p.s.FromServer(f) {
	case Forward:
		p.say("client<- %s", text)
	case Discard:
		p.say("discarded %s", text)
	case Misname:
		p.say("discarded %s, and cancel what comes next", text)
	case Answer:
		p.say("%s is retold", text)
		p.replies()
	case Violate:
		p.say("the server lies: %s", text)
		p.lost(nil)
	case Dying:
		p.say("the server dies: %s", text)
		p.lost(p.s.Fault)
	}
}

// stops is a server that shuts down. What it has aborted is asked again, if nobody
// can tell the difference.
func (p *player) stops(list []token) {
	p.t.Helper()
	var answer []byte
	for _, k := range list {
		answer = serverFrame(p.t, k).Append(answer)
	}
	if p.s.Aborted(answer) == nil {
		for _, k := range list {
			p.server(k)
		}
		return
	}
	p.linked, p.memory = false, &Memory{}
	p.s.TakeBack()
	p.say("taken back")
	p.client(p.kept)
	p.goOn()
}

// goOn shows the session again what was to wait for an answer.
func (p *player) goOn() {
	held := p.held
	p.held = nil
	p.client(held)
}

func (p *player) lost(said *wire.Error) {
	p.real.close()
	p.linked, p.memory = false, &Memory{}
	p.s.Lose(said)
	p.say("lost")
	p.replies()
}

// found is a loss of the server, behind which it has been found out what has become of the
// commit that was in doubt.
func (p *player) found(what string) {
	p.t.Helper()
	c, ok := p.s.InDoubt(nil)
	if !ok {
		p.say("nothing can be found out")
		p.lost(nil)
		return
	}
	p.say("in doubt: %d at %X", c.ID, c.Position)
	if what != "committed" {
		p.s.Undone()
		p.lost(nil)
		return
	}
	for b := p.s.Committed(); len(b) > 0; {
		f, ok, err := wire.Next(b)
		if !ok || err != nil || !f.Whole() {
			p.t.Fatalf("the session makes broken frames: %q", b)
		}
		p.answer(f, answerText(p.t, f, false))
		b = b[wire.HeaderLen+f.Size:]
	}
	p.linked, p.memory = false, &Memory{}
}

func (p *player) refuse(e *wire.Error) {
	p.s.Refuse(e)
	p.say("refused")
	p.replies()
	rest := p.waiting
	p.waiting = nil
	p.client(rest)
}

func (p *player) replies() {
	p.t.Helper()
	for b := p.s.Reply; len(b) > 0; {
		f, ok, err := wire.Next(b)
		if !ok || err != nil || !f.Whole() {
			p.t.Fatalf("the session answers with broken frames: %q", p.s.Reply)
		}
		p.out = append(p.out, "client<- "+answerText(p.t, f, true))
		b = b[wire.HeaderLen+f.Size:]
	}
	p.s.Reply = p.s.Reply[:0]
}

// settle has the server tell its role where the relay would ask for it.
func settle(s *Session) {
	if !s.Asks() || s.Busy() || s.Status() != 'I' {
		return
	}
	answer := [][]byte{[]byte("none")}
	for range s.asked.names {
		answer = append(answer, nil)
	}
	if s.asked.strangers {
		answer = append(answer, []byte("f"))
	}
	for range s.asked.pins.Each {
		answer = append(answer, []byte("f"))
	}
	if !s.Told(answer) {
		panic("the session does not understand the answer to its own question")
	}
}

// endBlock gives the server back, as the relay does when it may.
func (p *player) endBlock() {
	if p.linked && !p.keep && p.s.Asks() && !p.s.Busy() && p.s.Status() == 'I' {
		p.say("the server is asked for what it does not report")
	}
	settle(&p.s)
	if lending := p.s.Lending(); p.linked && !p.keep && lending != Kept {
		p.linked = false
		if lending == Dirty {
			p.out = append(p.out, "discard the server")
			p.memory = &Memory{}
			p.real.close()
		} else {
			p.out = append(p.out, "release")
			p.real.silent()
		}
	}
	if len(p.out) == 0 {
		p.out = []string{"nothing"}
	}
}

func describeToken(k token) string {
	if len(k.args) == 0 {
		return k.word
	}
	var args []string
	for _, a := range k.args {
		if strings.ContainsAny(a, " ,;()\n\v") || a == "" {
			a = strconv.Quote(a)
		}
		args = append(args, a)
	}
	return k.word + "(" + strings.Join(args, ", ") + ")"
}

// stateText is a session's state in words. Of the unanswered requests those are
// marked by ! that would be reported as unknown if the server were lost now.
func stateText(s *Session) string {
	words := []string{string(s.status)}
	if s.now != stateOf(s.status) {
		words = append(words, [...]string{"idle", "implicit", "block", "failed"}[s.now])
	}
	for _, f := range []struct {
		is   bool
		word string
	}{
		{s.busy, "busy"}, {s.copyIn, "copy-in"}, {s.early, "early-sync"}, {s.skipping, "skipping"}, {s.told, "told"},
		{s.complete, "complete"}, {s.partial, "partial"}, {s.stepped, "stepped"}, {s.stray, "stray"},
		{s.foreign, "foreign"}, {s.Asks() && !s.busy, "asks"}, {s.loss.block, "lost-block"}, {s.loss.skip, "lost-skip"}, {s.loss.ended, "lost-ended"},
		{s.loss.pending != nil, "lost-untold"},
	} {
		if f.is {
			words = append(words, f.word)
		}
	}
	if !s.ring.empty() {
		words = append(words, "expect")
		lost := *s
		lost.Reply = nil
		ended := lost.endOldest()
		unknown := lost.whatIsUnknown(false, ended)
		for i := range s.ring.len() {
			word := string(s.ring.at(i).t)
			if j := i - (s.ring.len() - len(unknown)); j >= 0 && unknown[j] {
				word += "!"
			}
			words = append(words, word)
		}
	}
	for name, value := range s.settings.All() {
		words = append(words, name+"="+value)
	}
	return strings.Join(words, " ")
}
