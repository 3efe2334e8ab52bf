package check

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The schema is the one that a Kubernetes of this version publishes. It lies in the module of
// Kubernetes itself, of which nothing is compiled, nor is it in go.mod.
const (
	kubernetes    = "k8s.io/kubernetes@v1.37.2"
	kubernetesSum = "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE="
)

// specs are the files of the schema, by apiVersion.
var specs = map[string]string{
	"v1":                   "api__v1_openapi.json",
	"apps/v1":              "apis__apps__v1_openapi.json",
	"policy/v1":            "apis__policy__v1_openapi.json",
	"networking.k8s.io/v1": "apis__networking.k8s.io__v1_openapi.json",
}

// schemas check objects.
type schemas struct {
	dir      string
	compiler *jsonschema.Compiler
	kinds    map[string]string // where the schema of an apiVersion and kind is
}

func schemasForTest(t *testing.T) *schemas {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", kubernetes).Output()
	var module struct{ Dir, Sum, Error string }
	if e := json.Unmarshal(out, &module); e != nil || module.Error != "" {
		t.Fatalf("go mod download %s: %v %v %s", kubernetes, err, e, module.Error)
	}
	if module.Sum != kubernetesSum {
		t.Fatalf("%s has the sum %s, not %s", kubernetes, module.Sum, kubernetesSum)
	}
	s := &schemas{dir: filepath.Join(module.Dir, "api", "openapi-spec", "v3"), compiler: jsonschema.NewCompiler(), kinds: make(map[string]string)}
	s.compiler.DefaultDraft(jsonschema.Draft4) // of these OpenAPI 3.0 has the words
	for _, file := range specs {
		if err := s.add(file); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// add reads a file of the schema, and has it refuse fields that it does not know.
func (s *schemas) add(file string) error {
	text, err := os.Open(filepath.Join(s.dir, file))
	if err != nil {
		return err
	}
	defer text.Close()
	doc, err := jsonschema.UnmarshalJSON(text)
	if err != nil {
		return err
	}
	parts, _ := doc.(map[string]any)["components"].(map[string]any)
	all, _ := parts["schemas"].(map[string]any)
	for name, one := range all {
		schema := one.(map[string]any)
		if _, open := schema["additionalProperties"]; !open && schema["properties"] != nil {
			schema["additionalProperties"] = false
		}
		at := "https://schema.test/" + file + "#/components/schemas/" + name
		kinds, _ := schema["x-kubernetes-group-version-kind"].([]any)
		for _, k := range kinds {
			of := k.(map[string]any)
			s.kinds[strings.TrimPrefix(fmt.Sprintf("%s/%s %s", of["group"], of["version"], of["kind"]), "/")] = at
		}
	}
	return s.compiler.AddResource("https://schema.test/"+file, doc)
}

// faults is what the schema has against an object.
func (s *schemas) faults(o object) error {
	at, known := s.kinds[o.APIVersion+" "+o.Kind]
	if !known {
		return fmt.Errorf("there is no %s in %s", o.Kind, o.APIVersion)
	}
	schema, err := s.compiler.Compile(at)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(o.text)))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}
