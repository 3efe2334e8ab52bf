package lab

import (
	"flag"
	"strconv"
)

// SideBySide has the parallel tests of a package run n at a time, however many processors
// there are: they wait, more than they work. TestMain calls it before Run. What -parallel
// says on the command line comes first.
func SideBySide(n int) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(n)) // a number
	}
}
