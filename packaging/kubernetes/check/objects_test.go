package check

import (
	"encoding/json"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// object is what kustomize has built, as far as our rules look at it. What it is by the schema
// of Kubernetes is looked at in its text.
type object struct {
	text []byte

	APIVersion string
	Kind       string
	Metadata   struct{ Name string }
	Spec       spec
	Data       map[string]string
	Automount  *bool `json:"automountServiceAccountToken"`
}

// spec is one of a Deployment, a Service, a PodDisruptionBudget or a NetworkPolicy.
type spec struct {
	Strategy struct {
		RollingUpdate struct{ MaxUnavailable *int }
	}
	Template struct {
		Metadata struct {
			Labels, Annotations map[string]string
		}
		Spec pod
	}
	Selector    json.RawMessage // labels themselves in a Service
	PodSelector selector
	Ports       []servicePort
	Ingress     []struct {
		Ports []struct{ Port any }
	}
}

type selector struct{ MatchLabels map[string]string }

type servicePort struct {
	Port       int
	TargetPort any
}

type pod struct {
	ServiceAccountName            string
	AutomountServiceAccountToken  *bool
	TerminationGracePeriodSeconds int
	SecurityContext               security
	InitContainers, Containers    []container
	Volumes                       []volume
}

type container struct {
	Name, Image   string
	Args          []string
	RestartPolicy string
	Ports         []struct {
		Name          string
		ContainerPort int
	}
	Env                                         []struct{ Name, Value string }
	StartupProbe, ReadinessProbe, LivenessProbe *probe
	SecurityContext                             security
	VolumeMounts                                []struct{ Name, MountPath, SubPath string }
}

type probe struct {
	HTTPGet struct {
		Path string
		Port any
	}
}

type security struct {
	RunAsNonRoot, ReadOnlyRootFilesystem, AllowPrivilegeEscalation *bool
	RunAsUser                                                      *int
	SeccompProfile                                                 struct{ Type string }
	Capabilities                                                   struct{ Drop []string }
}

type volume struct {
	Name      string
	ConfigMap *struct{ Name string }
	Secret    *struct{ SecretName string }
	EmptyDir  *struct{ Medium string }
}

// build is `kubectl kustomize` of a folder.
func build(t *testing.T, folder string) (objects []object) {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatalf("kustomize build %s: %v", folder, err)
	}
	for _, r := range built.Resources() {
		text, err := r.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, parse(t, text))
	}
	return objects
}

func parse(t *testing.T, text []byte) object {
	t.Helper()
	o := object{text: text}
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return o
}
