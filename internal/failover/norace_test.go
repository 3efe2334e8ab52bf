//go:build !race

package failover

var buildFlags []string
