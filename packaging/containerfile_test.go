package packaging

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// No engine is here to build it; so it is read by BuildKit's own parser, and judged.
func TestTheContainerfileIsAcceptedWithoutAWarning(t *testing.T) {
	stages := containerfile(t)
	if len(stages) != 2 {
		t.Fatalf("%d stages, want one that builds and one that is kept", len(stages))
	}
}

func containerfile(t *testing.T) []instructions.Stage {
	t.Helper()
	text, err := os.ReadFile("Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range tree.Warnings {
		t.Errorf("%s", w.Short)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, at []parser.Range) {
		t.Errorf("line %d: %s: %s", at[0].Start.Line, rule, message)
	}})
	stages, _, err := instructions.Parse(tree.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

func TestWhatIsKeptIsTheProgramAloneAndNobodyIsRoot(t *testing.T) {
	kept := containerfile(t)[1]
	if kept.BaseName != "scratch" {
		t.Errorf("it is kept on %s", kept.BaseName)
	}
	var user, stop, entry string
	for _, c := range kept.Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.StopSignalCommand:
			stop = c.Signal
		case *instructions.EntrypointCommand:
			entry = strings.Join(c.CmdLine, " ")
			if c.PrependShell {
				t.Error("the entrypoint wants a shell")
			}
		case *instructions.CopyCommand:
			if c.From != "build" {
				t.Errorf("%s is not from the stage that builds", c.SourcePaths)
			}
		case *instructions.AddCommand, *instructions.RunCommand:
			t.Errorf("%s has no place here", c)
		}
	}
	if user != "65532:65532" || stop != "SIGTERM" || entry != "/usr/bin/portero" {
		t.Errorf("user %q, stop signal %q, entrypoint %q", user, stop, entry)
	}
}

// A tag that moves would have the same source give other images.
func TestTheImageThatBuildsIsPinned(t *testing.T) {
	base := containerfile(t)[0].BaseName
	if !regexp.MustCompile(`^docker\.io/library/golang:(1\.\d+\.\d+)-[a-z]+(@sha256:[0-9a-f]{64})?$`).MatchString(base) {
		t.Errorf("%s is not one version of Go", base)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	language := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindSubmatch(mod)
	if language == nil || !strings.Contains(base, ":"+string(language[1])+".") {
		t.Errorf("%s, and go.mod wants %s", base, language)
	}
}

// The container's program is the package's.
func TestItIsBuiltAsThePackageIs(t *testing.T) {
	script, err := os.ReadFile("build")
	if err != nil {
		t.Fatal(err)
	}
	flags := regexp.MustCompile(`-trimpath -buildvcs=false \\\n\t-ldflags "[^"]+"`)
	want := string(flags.Find(script))
	if want == "" {
		t.Fatal("packaging/build has no such flags")
	}
	text, err := os.ReadFile("Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(flags.FindAllString(string(text), -1), want) {
		t.Errorf("the Containerfile does not build by %s", want)
	}
}
