package session

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the transcripts should say; read the diff before you believe it")

// TestSessionFollowsTheTranscripts plays testdata/session. A block of commands
// is followed by ---- and what comes of it.
//
//	client MESSAGE...   what the client sends
//	server MESSAGE...   what the server sends
//	stops MESSAGE...    the server shuts down: that is all that it says
//	lose                the server is gone, without a word
//	full                no server is free from here on
//	refuse CODE TEXT    the client's wait for one ends with an error
//	free                from here on there are servers again
//	keep                the server is not given back (session pooling)
//	renames NAME        the next server gets that application_name ahead of the client's first frame
//	restores            ... or, before that, its own again
//	imagined            a real server does not do this on demand
//
// Of what comes of it, "server<-" and "client<-" are forwarded or answered,
// "acquire" and "release" are what the relay does then; behind the bar stands
// the session's state where it has changed.
func TestSessionFollowsTheTranscripts(t *testing.T) {
	for _, file := range transcripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := playTranscript(t, string(text), nil)
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

func transcripts(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../testdata/session/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	return files
}

// playTranscript returns the transcript with what follows ---- as it comes
// out. real, if there is one, must say what the transcript's servers say.
func playTranscript(t testing.TB, text string, real *realServer) string {
	t.Helper()
	p := newPlayer(t, real)
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
			p.endBlock()
			line += "\n" + strings.Join(p.out, "\n")
			p.out = nil
			skip = true
		case !strings.HasPrefix(line, "#"):
			p.do(line)
		}
		if real != nil && p.imagined {
			break
		}
		fmt.Fprintln(&out, line)
	}
	return out.String()
}
