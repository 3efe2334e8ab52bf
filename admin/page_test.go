package admin

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
)

// assets calls fn with each file of the page.
func assets(t *testing.T, fn func(name, text string)) {
	t.Helper()
	files := orFail(fs.ReadDir(pageFiles, "page"))(t)
	if len(files) < 5 {
		t.Fatalf("only %d files", len(files))
	}
	for _, file := range files {
		fn(file.Name(), string(orFail(fs.ReadFile(pageFiles, "page/"+file.Name()))(t)))
	}
}

func TestThePageNamesNoForeignHost(t *testing.T) {
	elsewhere := regexp.MustCompile(`(?i)(https?:|wss?:|@import|url\(|["'(=]//\w)`)
	assets(t, func(name, text string) {
		text = strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "") // the name of a language, which nobody asks for
		if found := elsewhere.FindString(text); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	})
}

func TestThePageMakesNoMarkupOfTexts(t *testing.T) {
	markup := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|eval\(|new Function|\.srcdoc|setTimeout\(["']`)
	assets(t, func(name, text string) {
		if found := markup.FindString(text); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	})
}

// The policy forbids scripts and styles that stand in the page.
func TestThePageKeepsItsPolicy(t *testing.T) {
	if strings.Contains(pagePolicy, "unsafe") || !strings.Contains(pagePolicy, "default-src 'none'") {
		t.Errorf("policy %s", pagePolicy)
	}
	inline := regexp.MustCompile(`<style|<script>|<script [^>]*>[^<]|\sstyle=|\son\w+=`)
	assets(t, func(name, text string) {
		if found := inline.FindString(text); path.Ext(name) == ".html" && found != "" {
			t.Errorf("%s has %q", name, found)
		}
	})
}

func TestEveryFileOfThePageIsServedAsWhatItIs(t *testing.T) {
	s := start(t, Options{Snapshot: busy})
	assets(t, func(name, text string) {
		response, body := ask(t, s, "GET", "/page/"+name)
		if want := pageTypes[path.Ext(name)]; want == "" || response.Header.Get("Content-Type") != want {
			t.Errorf("%s is served as %q", name, response.Header.Get("Content-Type"))
		}
		if body != text || response.Header.Get("Content-Security-Policy") != pagePolicy || response.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", name, response.Header)
		}
	})
}

func TestThePageSaysSomethingWithoutScripts(t *testing.T) {
	s := start(t, Options{Snapshot: busy})
	_, body := ask(t, s, "GET", "/")
	_, without, _ := strings.Cut(body, "<noscript>")
	without, _, _ = strings.Cut(without, "</noscript>")
	for _, path := range []string{"state", "metrics", "readyz", "failovers"} {
		if !strings.Contains(without, `href="`+path+`"`) {
			t.Errorf("no way to %s in %q", path, without)
		}
	}
}
