// Package check holds tests of the manifests: that kustomize builds them, that they are by the
// schema of Kubernetes, and that they fit each other and the proxy.toml in them. It is a module of
// its own, so that none of what it needs is the product's.
package check
