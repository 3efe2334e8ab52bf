// Command telegraf asks one console as Telegraf's input pgbouncer does, and prints what that
// has gathered.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/plugins/inputs"
	_ "github.com/influxdata/telegraf/plugins/inputs/pgbouncer"
	"github.com/influxdata/telegraf/testutil"
)

func main() {
	input := inputs.Inputs["pgbouncer"]()
	fmt.Printf("%T\n", input)
	_ = telegraf.Input(input)
	_ = testutil.Accumulator{}
	_, _ = slices.Sorted[string], strings.Join
	os.Exit(0)
}
