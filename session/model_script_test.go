package session

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	firstSeed = flag.Uint64("seed", 0, "run the model of shared servers from this seed on; without -seeds this one only")
	moreSeeds = flag.Int("seeds", 0, "run so many seeds of it")
)

func chooser(seed uint64) func(n int) int { return rand.New(rand.NewPCG(seed, 2)).IntN }

func seedsToRun(n int) (seeds []uint64) {
	switch {
	case *moreSeeds != 0:
		n = *moreSeeds
	case *firstSeed != 0:
		n = 1
	}
	for i := range uint64(n) {
		seeds = append(seeds, *firstSeed+i)
	}
	return seeds
}

// What a client does.
const (
	says    = "says"    // some messages
	hears   = "hears"   // the next message of its server
	cancels = "cancels" // what its server is at
	cuts    = "cuts"    // it breaks off behind so many bytes of a message
	quits   = "quits"   // it says goodbye
)

// step is a line of a script: what one client does.
type step struct {
	client   int
	verb     string
	bytes    int
	messages []token
}

func (s step) String() string {
	words := []string{strconv.Itoa(s.client), s.verb}
	if s.verb == cuts {
		words = append(words, strconv.Itoa(s.bytes))
	}
	for _, k := range s.messages {
		words = append(words, describeToken(k))
	}
	return strings.Join(words, " ")
}

// script is steps on paper; what begins with # is for the reader.
func script(steps []step) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintln(&b, s)
	}
	return b.String()
}

func parseScript(t testing.TB, text string) (steps []step) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		var s step
		client, rest, _ := strings.Cut(line, " ")
		s.verb, rest, _ = strings.Cut(rest, " ")
		number, err := strconv.Atoi(client)
		if err != nil || !slices.Contains([]string{says, hears, cancels, cuts, quits}, s.verb) {
			t.Fatalf("no step: %s", line)
		}
		if s.client = number; s.verb == cuts {
			count, after, _ := strings.Cut(rest, " ")
			s.bytes, _ = strconv.Atoi(count)
			rest = after
		}
		s.messages = tokens(t, rest)
		steps = append(steps, s)
	}
	return steps
}

// play plays a script.
func playScript(t testing.TB, steps []step, mute bool) *crowd {
	c := newCrowd(t)
	c.mute = mute
	for _, s := range steps {
		if c.broken != "" {
			break
		}
		c.steps = append(c.steps, s)
		c.do(s)
	}
	c.end()
	return c
}

// report fails the test with a sequence that does so too and is as short as can be.
func (c *crowd) report(seed uint64) {
	c.t.Helper()
	short := shorten(c.steps, func(steps []step) bool { return playScript(c.t, steps, true).broken != "" })
	again := playScript(c.t, short, false)
	c.t.Fatalf("seed %d: %s\n\nAgain: go test -run %s ./session -seeds 1 -seed %d\nKeep this in testdata/seeds/model, with a line that says what it found:\n\n%s\nIt goes\n%s",
		seed, again.broken, c.t.Name(), seed, script(short), strings.Join(again.log, "\n"))
}

// shorten leaves out steps as long as the rest still fails.
func shorten(steps []step, fails func([]step) bool) []step {
	for n := len(steps) / 2; n > 0; {
		shorter := false
		for i := 0; i+n <= len(steps); {
			if rest := slices.Concat(steps[:i], steps[i+n:]); fails(rest) {
				steps, shorter = rest, true
			} else {
				i += n
			}
		}
		if !shorter || n > 1 {
			n /= 2
		}
	}
	return steps
}

// TestScriptsThatFoundSomething plays testdata/seeds/model: what has failed once.
func TestScriptsThatFoundSomething(t *testing.T) {
	files, err := filepath.Glob("../testdata/seeds/model/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if c := playScript(t, parseScript(t, string(text)), false); c.broken != "" {
				t.Errorf("%s\n%s", c.broken, strings.Join(c.log, "\n"))
			}
		})
	}
}

func TestAScriptIsReadAsItWasWritten(t *testing.T) {
	for seed := range uint64(50) {
		c := newCrowd(t)
		c.run(120, chooser(seed))
		text := script(c.steps)
		again := parseScript(t, text)
		if script(again) != text {
			t.Fatalf("seed %d: written as\n%s\nand again as\n%s", seed, text, script(again))
		}
		for i := range again {
			if again[i].String() != c.steps[i].String() {
				t.Fatalf("seed %d: %v is read as %v", seed, c.steps[i], again[i])
			}
		}
		if p := playScript(t, again, true); p.broken != c.broken || !slices.Equal(p.clients[0].got, c.clients[0].got) {
			t.Fatalf("seed %d: the script plays otherwise than what it was made of", seed)
		}
	}
}
