package admin

import (
	"fmt"
	"strings"
	"testing"
)

func TestCommandsAreReadAsPgBouncerReadsThem(t *testing.T) {
	for text, want := range map[string]string{
		"show pools":                "show [pools]",
		" SHOW\n\tPools ; ":         "show [Pools]",
		`pause "my ""db"""`:         `pause [my "db"]`,
		`"pause" app`:               "pause [app]",
		"resume;":                   "resume []",
		"set a=b":                   "set a=b",
		"SET a TO 'it''s; so'":      "set a=it's; so",
		`set "a b" = "c d";`:        "set a b=c d",
		"set a = ''":                "set a=",
		"accept_timeline main 1 4;": "accept_timeline [main 1 4]",
		"pause a b":                 "pause [a b]", // too many, as run says
		"set":                       "set []",
		"":                          "none",
		";":                         "none",
		"show pools; show stats":    "none",
		"show pools;;":              "none",
		"pause my-db":               "none",
		"pause 'app'":               "none",
		`pause "app`:                "none",
		"set a":                     "set [a]",
		"set a b c":                 "set [a b c]",
		"set a = ;":                 "none",
		"set datestyle to ISO, MDY": "none",
		"select 1 + 1":              "none",
		"-- comment\nshow pools":    "none",
		"set 'a' = b":               "none",
		`set "" = b`:                "none",
		"show \"pools\"":            "show [pools]",
		"пауза":                     "none",
	} {
		got := "none"
		if c, ok := parse(text); ok && c.set {
			got = "set " + c.key + "=" + c.value
		} else if ok {
			got = c.word + " " + fmt.Sprint(c.args)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func FuzzQuotedNamesAreReadAsTheyAreMeant(f *testing.F) {
	for _, text := range []string{"app", `my "db"`, "'", "; drop", "", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := parse(`pause "` + strings.ReplaceAll(text, `"`, `""`) + `";`)
		if !ok || c.word != "pause" || len(c.args) != 1 || c.args[0] != text {
			t.Errorf("%q is read as %+v, %v", text, c, ok)
		}
		parse(text)
	})
}
