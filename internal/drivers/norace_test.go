//go:build !race

package drivers

var buildFlags []string
