package top

// view is one of the pages.
type view struct {
	name    string
	tables  []string // what has to be read for it, beside what the head needs
	needs   string   // the table without which there is nothing to show; "" = always something
	columns []column
	rows    func(s *sample, symbols *symbols) []line
	sort    int  // the column that it is sorted by at first
	falling bool // from the highest value down
}

// line is one row of a view.
type line struct {
	cells []string
	style style
}

// headTables are read for every view.
var headTables = []string{"version", "portero", "state", "lists", "stats_totals", "pools", "all_pools", "groups", "config"}

// views are in the order of their keys.
var views = []view{
	{
		name:  "pools",
		needs: "pools",
		sort:  7,
		rows:  poolRows,
		columns: []column{
			{title: "DATABASE"}, {title: "USER"}, {title: "GROUP", rank: 3}, {title: "ROLE", rank: 2}, {title: "MODE", rank: 4},
			{title: "CLIENTS", right: true}, {title: "ACTIVE", right: true, rank: 5}, {title: "WAIT", right: true}, {title: "MAXWAIT", right: true},
			{title: "SRV", right: true}, {title: "IDLE", right: true}, {title: "LOGIN", right: true, rank: 6}, {title: "SIZE", right: true, rank: 1}, {title: "STATE"}, {title: "PINS", rank: 7}, {title: "TROUBLE", rank: 8},
		},
		falling: true,
	},
	{
		name: "clients", tables: []string{"clients"}, needs: "clients", rows: clientRows, sort: 4, falling: true,
		columns: []column{
			{title: "ID", right: true, rank: 5}, {title: "USER"}, {title: "DATABASE"}, {title: "STATE"}, {title: "WAIT", right: true}, {title: "ADDRESS"},
			{title: "APPLICATION", rank: 1}, {title: "SERVER", rank: 3}, {title: "CONNECTED", rank: 2}, {title: "TLS", rank: 6},
		},
	},
	{
		name: "servers", tables: []string{"servers"}, needs: "servers", rows: serverRows, sort: 4,
		columns: []column{
			{title: "ID", right: true, rank: 5}, {title: "USER"}, {title: "DATABASE"}, {title: "STATE"}, {title: "ADDRESS"},
			{title: "PID", right: true, rank: 3}, {title: "CLIENT", rank: 4}, {title: "CONNECTED", rank: 1}, {title: "ASKED", rank: 2}, {title: "CLOSING", rank: 6},
		},
	},
	{
		name: "groups", tables: []string{"members"}, needs: "groups", rows: groupRows, sort: 0,
		columns: []column{
			{title: "GROUP"}, {title: "MEMBER"}, {title: "LEADS"}, {title: "ROLE", rank: 2}, {title: "STATE"}, {title: "TL", right: true},
			{title: "LAG", right: true}, {title: "EPOCH", right: true, rank: 3}, {title: "ADDRESS", rank: 1}, {title: "NOTE"},
		},
	},
	{
		name: "failovers", tables: []string{"failovers"}, needs: "failovers", rows: failoverRows, sort: 0, falling: true,
		columns: []column{
			{title: "BEGAN"}, {title: "GROUP"}, {title: "FROM"}, {title: "TO"}, {title: "TOOK", right: true}, {title: "HELD", right: true},
			{title: "FAILED", right: true}, {title: "UNKNOWN", right: true}, {title: "REPEATED", right: true, rank: 1}, {title: "CUT", right: true, rank: 2}, {title: "EPOCH", right: true, rank: 4}, {title: "PHASE", rank: 3},
		},
	},
	{
		name: "pins", tables: []string{"pins"}, needs: "pins", rows: pinRows, sort: 5, falling: true,
		columns: []column{
			{title: "REASON"}, {title: "DATABASE"}, {title: "USER"}, {title: "GROUP", rank: 2}, {title: "MODE", rank: 1}, {title: "CLIENTS", right: true}, {title: "TIMES", right: true},
		},
	},
}

// wanted is what has to be read for a view.
func (v *view) wanted() []string {
	return append(headTables[:len(headTables):len(headTables)], v.tables...)
}
