package proxy_test

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestAClientWithStatementsAndSettingsCostsLittle: 20 prepared statements, whose texts the clients
// share, and 5 settings cost a client at rest less than 4 kB, descriptors' buffers in the kernel aside.
func TestAClientWithStatementsAndSettingsCostsLittle(t *testing.T) {
	const clients, most = 200, 4 << 10
	w := start(t, size(2))
	var all []*raw
	setUp := func(n int) {
		for range n {
			c := w.dial("application_name", "one of many", "TimeZone", "Asia/Tokyo", "options", "-c work_mem=5MB -c search_path=public -c app.tenant=7")
			all = append(all, c)
			for i := range 20 {
				c.fe.Send(parseAs(fmt.Sprintf("statement_%02d", i), fmt.Sprintf("select a_column, another, %d from generate_series(1, 10) as t(a_column), (select 1 as another) x where a_column = $1", i)))
			}
			c.converse([]pgproto3.FrontendMessage{syncs()})
		}
	}
	setUp(20) // what is shared
	before := heap()
	setUp(clients)
	after := heap()
	tests := footprint(t, clients) // the test's own end of each
	got := (after - before) / clients
	if got-tests > most {
		t.Errorf("a client costs %d bytes, of which the test has some %d", got, tests)
	}
	t.Logf("a client costs %d bytes, of which the test has some %d", got, tests)
	runtime.KeepAlive(all)
}

// footprint is what the test's end of a client costs, and its peer's descriptor.
func footprint(t *testing.T, n int) int64 {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer listener.Close()
	before := heap()
	all := make([]*raw, n)
	for i := range all {
		all[i] = plugInto(t, must(net.Dial("tcp", listener.Addr().String()))(t))
		for p := range 14 {
			all[i].welcome[fmt.Sprint("a parameter ", p)] = fmt.Sprint("a value ", p)
		}
		all[i].fe.SendParse(&pgproto3.Parse{Query: strings.Repeat("x", 20*140)})
		all[i].fe.Flush() //nolint:errcheck // nobody reads it
	}
	after := heap()
	runtime.KeepAlive(all)
	return (after - before) / int64(n)
}
