package discovery

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write what the transcripts should say; read the diff before you believe it")

// TestReignsFollowTheTranscripts plays testdata/epoch. Each block of commands is
// followed by ---- and the group as it is then. Commands, each a revision of its
// own unless the block begins with gap (etcd was out of reach in between):
//
//	put KEY [VALUE]
//	delete KEY
//	prove MEMBER TIMELINE|recovery     what a server said of itself
//	accept TIMELINE                    what an operator decides
func TestReignsFollowTheTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/epoch/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(text) {
				t.Errorf("%s: the transcript now reads\n%s", file, got)
			}
		})
	}
}

// play returns the transcript with what follows ---- as it comes out.
func play(t *testing.T, text string) string {
	t.Helper()
	s := &script{known: newPatroni(), keys: map[string]string{}}
	var out strings.Builder
	skip := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "":
			skip = false
		case skip:
			continue
		case line == "----":
			s.fold()
			s.gap = false
			line += "\n" + s.state()
			skip = true
		case !strings.HasPrefix(line, "#"):
			s.do(t, line)
		}
		fmt.Fprintln(&out, line)
	}
	return out.String()
}

type script struct {
	known   *patroni
	keys    map[string]string
	gap     bool
	refused error // to accept
}

func (s *script) do(t *testing.T, line string) {
	t.Helper()
	words := strings.SplitN(line, " ", 3)
	words = append(words, "", "")
	switch words[0] {
	case "gap":
		s.gap = true
	case "put":
		s.keys["/service/demo/"+words[1]] = words[2]
	case "delete":
		delete(s.keys, "/service/demo/"+words[1])
	case "prove":
		timeline, _ := strconv.ParseInt(words[2], 10, 64)
		s.known.observe(Proof{Member: words[1], InRecovery: words[2] == "recovery", Timeline: timeline})
		return
	case "accept":
		timeline, _ := strconv.ParseInt(words[1], 10, 64)
		s.refused = s.known.accept(0, timeline)
		return
	default:
		t.Fatalf("unknown command %q", line)
	}
	if !s.gap {
		s.fold()
	}
}

func (s *script) fold() {
	s.known.follow(pictures(newLayout("service", "demo", false), maps.Clone(s.keys), time.Now()), time.Now())
}

func (s *script) state() string {
	g := s.known.groups()[0]
	text := fmt.Sprintf("leader %s, epoch %d, timeline %d", orDash(g.Leader), g.Epoch, g.Timeline)
	if g.Announced != nil {
		text += fmt.Sprintf(", announced %s to %s", g.Announced.From, g.Announced.To)
	}
	if g.Standby {
		text += ", standby"
	}
	if g.Behind != 0 {
		text += fmt.Sprintf(", behind on %d", g.Behind)
	}
	if s.refused != nil {
		text += "; refused: " + s.refused.Error()
		s.refused = nil
	}
	return text
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// FuzzEpochOnlyMovesForwards feeds any order of news: the epoch moves by one at
// most per piece of news, never back, and only with a member that leads.
func FuzzEpochOnlyMovesForwards(f *testing.F) {
	f.Add([]byte{1, 1, 2, 5, 0, 0, 1, 2, 2, 6})
	f.Fuzz(func(t *testing.T, news []byte) {
		var r reign
		for len(news) >= 2 {
			kind, value := news[0]%6, news[1]%8
			news = news[2:]
			old := r
			switch kind {
			case 0:
				r = r.hold([]string{"", "a", "b"}[value%3])
			case 1:
				r = r.claim(int64(value))
			case 2:
				r = r.prove(int64(value))
			case 3:
				r = r.of([]string{"", "x", "y"}[value%3])
			case 4:
				if r = r.compare(int64(value), int64(value/2)); r.behind != 0 && r.behind > r.newestWith(int64(value/2)) {
					t.Fatalf("behind, and newer: %+v became %+v", old, r)
				}
			case 5:
				if r.behind != 0 {
					r = r.accept(int64(value))
				}
			}
			if r.epoch < old.epoch || r.epoch > old.epoch+1 {
				t.Fatalf("%+v became %+v", old, r)
			}
			if r.epoch == old.epoch && r.member != old.member && kind != 3 {
				t.Fatalf("another leader in the same epoch: %+v became %+v", old, r)
			}
			if kind != 3 && kind != 5 && r.newest() < old.newest() {
				t.Fatalf("the newest timeline went back: %+v became %+v", old, r)
			}
		}
	})
}
