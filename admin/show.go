package admin

import (
	"context"
	"strings"

	"portero/wire"
)

// shown is what SHOW knows: PgBouncer's tables, column for column, and ours.
var shown = map[string]func(c *Console, ctx context.Context) (*table, error){
	"active_sockets": (*Console).showActiveSockets,
	"clients":        (*Console).showClients,
	"config":         (*Console).showConfig,
	"databases":      (*Console).showDatabases,
	"dns_hosts":      empty("sqs", "hostname ttl addrs"),
	"dns_zones":      empty("sqi", "zonename serial count"),
	"lists":          (*Console).showLists,
	"mem":            (*Console).showMemory,
	"peer_pools":     empty("iiiii", "peer_id cl_active_cancel_req cl_waiting_cancel_req sv_active_cancel sv_login"),
	"peers":          empty("isii", "peer_id host port pool_size"),
	"pools":          (*Console).showPools,
	"servers":        (*Console).showServers,
	"sockets":        (*Console).showSockets,
	"state":          (*Console).showState,
	"stats":          (*Console).showStats,
	"stats_averages": (*Console).showStatsAverages,
	"stats_totals":   (*Console).showStatsTotals,
	"totals":         (*Console).showTotals,
	"users":          (*Console).showUsers,
	"version":        (*Console).showVersion,

	"all_pools": (*Console).showAllPools,
	"failovers": (*Console).showFailovers,
	"groups":    (*Console).showGroups,
	"members":   (*Console).showMembers,
	"pins":      (*Console).showPins,
	"portero":   (*Console).showPortero,
}

// shownToAdmins is the rest: PgBouncer's table of descriptors, of which we hand out none.
var shownToAdmins = map[string]func(c *Console, ctx context.Context) (*table, error){
	"fds": empty("issssiqisssssbb", "fd task user database addr port cancel link client_encoding std_strings datestyle timezone password scram_client_key scram_server_key"),
}

func empty(kinds, names string) func(*Console, context.Context) (*table, error) {
	return func(*Console, context.Context) (*table, error) { return newTable(kinds, names), nil }
}

// show answers SHOW, and SELECT, which is the same.
func (c *Console) show(ctx context.Context, text string, args []string, admin bool) (answer, *wire.Error) {
	if len(args) != 1 {
		return answer{}, invalid(text)
	}
	what := strings.ToLower(args[0])
	if what == "help" {
		return answer{notice: notice("Console usage", help), tag: "SHOW"}, nil
	}
	if name, value, ok := pretend(what); ok {
		t := newTable("s", name)
		t.add(value)
		return answer{table: t, tag: "SHOW"}, nil
	}
	make, known := shown[what]
	if forAdmins, ok := shownToAdmins[what]; ok {
		if !admin {
			return answer{}, errAdminOnly
		}
		make, known = forAdmins, true
	}
	if !known {
		return answer{}, invalid(text)
	}
	t, err := make(c, ctx)
	if err != nil {
		return answer{}, c.refusal(ctx, "SHOW", err)
	}
	return answer{table: t, tag: "SHOW"}, nil
}

const help = `
	SHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION
	SHOW PEERS|PEER_POOLS
	SHOW FDS|SOCKETS|ACTIVE_SOCKETS|LISTS|MEM|STATE
	SHOW DNS_HOSTS|DNS_ZONES
	SHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS
	SET key = arg
	RELOAD
	PAUSE [<db>]
	RESUME [<db>]
	DISABLE <db>
	ENABLE <db>
	RECONNECT [<db>]
	KILL [<db>]
	KILL_CLIENT <client_id>
	SUSPEND
	SHUTDOWN
	SHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS
	WAIT_CLOSE [<db>]
Of Portero alone:
	SHOW PORTERO|GROUPS|MEMBERS|FAILOVERS
	SHOW ALL_POOLS (those of a database and user one by one, by role and mode)
	SHOW PINS (why clients keep their servers)
	ACCEPT_TIMELINE <cluster> <group> <timeline>`
