//go:build !race

package corpus

var buildFlags []string
