package main

import (
	"fmt"
	"strings"
)

// poolSize is how many servers each route may use.
const poolSize = 8

// databases are those of each group.
var databases = []string{"app", "anywhere"}

// parties are in the order of the tables.
var parties = allParties()

func allParties() (all []*party) {
	for i, name := range groupNames {
		all = append(all, &party{name: name, database: fmt.Sprintf("group%d", i), dbname: "app", group: i})
	}
	any := &party{name: "any node", database: "any", dbname: "anywhere", group: anyGroup}
	for i := range groupNames {
		any.homes = append(any.homes, home(i))
	}
	return append(all, any)
}

// home is the name by which Portero's clients reach a group's own rows of those written to any
// node. With Citus there would be one table, to be seen from all of them.
func home(group int) string { return fmt.Sprintf("anywhere%d", group) }

// routes leads each party to where it belongs, by the name of its database.
func routes() string {
	var text strings.Builder
	for _, p := range parties {
		group := fmt.Sprint(p.group)
		if p.group == anyGroup {
			group = `"any"`
		}
		writeRoute(&text, p.database, p.dbname, group)
		for i, database := range p.homes {
			writeRoute(&text, database, p.dbname, fmt.Sprint(i))
		}
	}
	return text.String()
}

func writeRoute(text *strings.Builder, database, dbname, group string) {
	fmt.Fprintf(text, "\n[[route]]\ndatabase = %q\ndbname = %q\ncluster = \"main\"\ngroup = %s\npool_size = %d\n", database, dbname, group, poolSize)
}
