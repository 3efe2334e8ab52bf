//go:build race

package failover

// buildFlags make the program under test look for races when the tests do.
var buildFlags = []string{"-race"}
