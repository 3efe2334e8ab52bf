package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// oddTOML is written in every way that TOML allows, each line's comment or
// value naming what the line holds.
const oddTOML = `# a = 1
a = 1 # b = 2

"q.k"='x # no comment' #"
'lit' . "es\u0063" = 2020-01-01 10:00:00
long = """
[not.a.table]
x = 1 \""" still """""
raw = '''
'' y = 2
''''
arr = [ # c = [
	1, [2, 3], # ]
	{ i = 1, j.k = "]" },
	"""
	]"""
	,
]
[ t . u ]   # t
v = { w = [
	{}, { z = true } ], "}" = '}' }
[[l]]
a = inf
[l.sub]
b = -1
[[l]]
[[l.m]]
[[l.m]]
c = "\\"
[l.m.deep]
d = 0x1F
[t]
last = false`

func TestKeyLinesFindsEveryKeyOfOddFiles(t *testing.T) {
	want := map[string]int{
		"a": 2, `"q.k"`: 4, "lit": 5, "lit.esc": 5, "long": 6, "raw": 9,
		"arr": 12, "arr[1]": 13, "arr[2]": 13, "arr[2][1]": 13, "arr[2][2]": 13,
		"arr[3]": 14, "arr[3].i": 14, "arr[3].j": 14, "arr[3].j.k": 14, "arr[4]": 15,
		"t": 19, "t.u": 19, "t.u.v": 20, "t.u.v.w": 20, "t.u.v.w[1]": 21, "t.u.v.w[2]": 21, "t.u.v.w[2].z": 21, `t.u.v."}"`: 21,
		"l": 22, "l[1]": 22, "l[1].a": 23, "l[1].sub": 24, "l[1].sub.b": 25,
		"l[2]": 26, "l[2].m": 27, "l[2].m[1]": 27, "l[2].m[2]": 28, "l[2].m[2].c": 29,
		"l[2].m[2].deep": 30, "l[2].m[2].deep.d": 31, "t.last": 33,
	}
	for _, newline := range []string{"\n", "\r\n"} {
		src := strings.ReplaceAll(oddTOML, "\n", newline)
		if _, err := parseTOML(src); err != nil {
			t.Fatal(err)
		}
		got := keyLines(src)
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if got[key] != want[key] {
				t.Errorf("newline %q: %s: line %d, want %d", newline, key, got[key], want[key])
			}
			delete(got, key)
		}
		if len(got) > 0 {
			t.Errorf("newline %q: found more: %v", newline, got)
		}
	}
}

func TestKeyLinesEndsOnWhatIsNotTOML(t *testing.T) {
	for _, src := range []string{"[", "[[", "=", "a", "a=", "a=[", "a=[[", "a={", "a={b", `a="`, `a="\`, `a='''`, "a=[}", "a={]}", "]", ".", "a.=1", `"`, "[a", "[[a]"} {
		keyLines(src)
	}
}

// missingLines is the keys of a parsed file that keyLines did not find.
func missingLines(tree map[string]any, lines map[string]int) []string {
	var missing []string
	var walk func(key string, value any)
	walk = func(key string, value any) {
		if lines[key] == 0 && key != "" {
			missing = append(missing, key)
		}
		if table, ok := value.(map[string]any); ok {
			for name, v := range table {
				walk(childKey(key, name), v)
			}
		}
		items, _ := itemsOf(value)
		for i, v := range items {
			walk(itemKey(key, i), v)
		}
	}
	walk("", tree)
	return missing
}

func FuzzKeyLines(f *testing.F) {
	f.Add(oddTOML)
	f.Add("a = [ [ { } ] ]\n[[b.c]]\n[b.c.d]\n[[b.c.e]]\n")
	f.Fuzz(func(t *testing.T, src string) {
		lines := keyLines(src) // must end, and not panic, whatever src is
		tree, err := parseTOML(src)
		if err != nil {
			return
		}
		if missing := missingLines(tree, lines); len(missing) > 0 {
			t.Errorf("no line for %q", missing)
		}
		most := strings.Count(src, "\n") + 1
		for key, n := range lines {
			if n < 1 || n > most {
				t.Errorf("%s: line %d of %d", key, n, most)
			}
		}
	})
}
