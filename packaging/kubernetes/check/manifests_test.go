package check

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// folders are those that a user builds.
var folders = []string{"base", "overlays/deployment", "overlays/sidecar", "overlays/sidecar-socket"}

func TestManifestsAreValidAndFitEachOther(t *testing.T) {
	s := schemasForTest(t)
	for _, folder := range folders {
		t.Run(folder, func(t *testing.T) {
			objects := build(t, filepath.Join("..", folder))
			for _, o := range objects {
				if err := s.faults(o); err != nil {
					t.Errorf("%s %s: %v", o.Kind, o.Metadata.Name, err)
				}
			}
			for _, fault := range check(objects) {
				t.Error(fault)
			}
		})
	}
}

// What is said of the folders above is of use only if it is not said of what is wrong. Each of
// these is one edit of what kustomize has built.
func TestWhatIsWrongIsFound(t *testing.T) {
	s := schemasForTest(t)
	for _, c := range []struct {
		folder, old, new string // old is a regular expression
		fault            string // part of what is found; of the schema or of a rule
	}{
		{"base", `"readOnly":true`, `"readonly":true`, "additional properties 'readonly' not allowed"},
		{"base", `"minReadySeconds":5`, `"minReadySeconds":"5"`, "got string, want integer"},
		{"base", `"containerPort":6432,`, ``, "missing property 'containerPort'"},
		{"base", `"topologyKey":"topology.kubernetes.io/zone",`, ``, "missing property 'topologyKey'"},
		{"base", `"unhealthyPodEvictionPolicy"`, `"unhealthyPodEviction"`, "additional properties 'unhealthyPodEviction' not allowed"},
		{"base", `policy/v1"`, `policy/v2"`, "there is no PodDisruptionBudget in policy/v2"},
		{"overlays/sidecar", `"restartPolicy":"Always",`, `"restartPolicies":"Always",`, "additional properties 'restartPolicies' not allowed"},

		{"base", `"terminationGracePeriodSeconds":80`, `"terminationGracePeriodSeconds":70`, "Portero may take 1m10s to end, and has 1m10s"},
		{"base", `shutdown_delay = \\"10s\\"`, `shutdown_delay = \"0s\"`, "there is no shutdown_delay"},
		{"base", `"runAsNonRoot":true,`, ``, "container portero may be root"},
		{"base", `"drop":\["ALL"\]`, `"drop":["NET_RAW"]`, "container portero has capabilities"},
		{"base", `"path":"/livez"`, `"path":"/readyz"`, "the livenessProbe asks for /readyz"},
		{"base", `"path":"/livez"`, `"path":"/alive"`, "the livenessProbe asks for /alive"},
		{"base", `\?route=app`, `?route=shop`, "asks for route shop, which is not in proxy.toml"},
		{"base", `address = \\":9632\\"`, `address = \"127.0.0.1:9632\"`, "kubelet does not reach 127.0.0.1:9632"},
		{"base", `address = \\":9632\\"`, `address = \":9633\"`, "asks at port 9632, and the admin address is :9633"},
		{"base", `"targetPort":"postgres"`, `"targetPort":"admin"`, "Service portero leads to port admin"},
		{"base", `"port":"postgres"`, `"port":"pg"`, "NetworkPolicy portero is for port pg"},
		{"base", `"podSelector":\{"matchLabels":\{"app.kubernetes.io/name":"portero"\}\},"policyTypes"`, `"podSelector":{},"policyTypes"`, "NetworkPolicy portero is not for the pods of portero"},
		{"base", `("kind":"PodDisruptionBudget".*"matchLabels":\{"app.kubernetes.io/name":)"portero"`, `${1}"other"`, "PodDisruptionBudget portero is not for the pods of portero"},
		{"base", `"maxUnavailable":0`, `"maxUnavailable":1`, "a rollout takes pods away"},
		{"base", `"mountPath":"/etc/portero",`, `"mountPath":"/etc/portero","subPath":"proxy.toml",`, "is mounted by subPath"},
		{"base", `"configMap":\{"name":"portero"\}`, `"configMap":{"name":"portero-x"}`, "there is no ConfigMap portero-x"},
		{"overlays/sidecar", `"restartPolicy":"Always",`, ``, "portero is an init container that has to end"},
		{"overlays/sidecar", `127.0.0.1:6432`, `:6432`, ":6432 is open to other pods"},
		{"overlays/sidecar", `"value":"6432"`, `"value":"5432"`, "container app connects to 127.0.0.1:5432"},
		{"overlays/sidecar-socket", `"mountPath":"/run/portero"`, `"mountPath":"/run/x"`, "container app does not find the socket in /run/portero"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			objects, edited := build(t, filepath.Join("..", c.folder)), 0
			var found []string
			for i, o := range objects {
				if text := regexp.MustCompile(c.old).ReplaceAllString(string(o.text), c.new); text != string(o.text) {
					objects[i] = parse(t, []byte(text))
					edited++
				}
				if err := s.faults(objects[i]); err != nil {
					found = append(found, err.Error())
				}
			}
			if edited != 1 {
				t.Fatalf("%d objects are edited", edited)
			}
			if found = append(found, check(objects)...); !strings.Contains(strings.Join(found, "\n"), c.fault) {
				t.Errorf("found is: %s", found)
			}
		})
	}
}
