package config

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const examplePath = "../proxy.toml.example"

func readExample(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// aside is a setting or a header with a # right before it. Explanations have a
// space there.
var aside = regexp.MustCompile(`(?m)^#(\S)`)

func uncomment(src string) string {
	return aside.ReplaceAllString(src, "$1")
}

func TestExampleSaysWhatDefaultSays(t *testing.T) {
	src := readExample(t)
	inFolder(t)
	if got := mustLoad(t, src); !reflect.DeepEqual(got, Default()) {
		t.Errorf("got  %+v\nwant %+v", got, Default())
	}
}

func TestExampleUncommentedIsWithoutFault(t *testing.T) {
	src := uncomment(readExample(t))
	for _, other := range []string{"method = \"scram", "options = [\"", "hba_file = "} { // than rules that are written there
		i := strings.Index(src, "\n"+other)
		src = src[:i+1] + "#" + src[i+1:]
	}
	inFolder(t)
	writePair(t, "server.crt", "server.key")
	writePair(t, "portero.crt", "portero.key")
	writePair(t, "etcd-client.crt", "etcd-client.key")
	writePair(t, "patroni-client.crt", "patroni-client.key")
	for _, ca := range []string{"client-ca.crt", "postgres-ca.crt", "etcd-ca.crt", "patroni-ca.crt"} {
		writePair(t, ca, "unused.key")
	}
	mustLoad(t, src)
}

func TestExampleUncommentedHasEveryKey(t *testing.T) {
	inExample := map[string]bool{}
	numbers := regexp.MustCompile(`\[\d+\]`)
	for key := range keyLines(uncomment(readExample(t))) {
		inExample[numbers.ReplaceAllString(key, "")] = true
	}
	schema := map[string]bool{}
	addKeys(schema, "", reflect.TypeFor[Config]())
	for _, key := range slices.Sorted(maps.Keys(schema)) {
		if !inExample[key] {
			t.Errorf("%s is not in the example", key)
		}
	}
	if len(schema) < 60 {
		t.Errorf("the schema has only %d keys", len(schema))
	}
}

// addKeys puts the keys of struct typ, and of those in it, into keys.
func addKeys(keys map[string]bool, path string, typ reflect.Type) {
	for i := range typ.NumField() {
		field := typ.Field(i)
		key := childKey(path, field.Tag.Get("toml"))
		keys[key] = true
		inner := field.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			addKeys(keys, key, inner)
		}
	}
}

func TestExampleExplainsEverySetting(t *testing.T) {
	setting := regexp.MustCompile(`^#?[a-z_]+ = `)
	for i, line := range strings.Split(readExample(t), "\n") {
		if setting.MatchString(line) && !strings.Contains(line, " # ") {
			t.Errorf("line %d has no explanation: %s", i+1, line)
		}
	}
}
