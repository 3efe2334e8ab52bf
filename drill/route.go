package main

import (
	"fmt"
	"strings"
)

// poolSize is how many servers each route may use.
const poolSize = 8

// databases are those of each group.
var databases = []string{"app"}

// parties are in the order of the tables.
var parties = allParties()

func allParties() (all []*party) {
	for i, name := range groupNames {
		all = append(all, &party{name: name, database: fmt.Sprintf("group%d", i), dbname: "app", group: i})
	}
	return all
}

// routes leads each party to where it belongs, by the name of its database.
func routes() string {
	var text strings.Builder
	for _, p := range parties {
		fmt.Fprintf(&text, "\n[[route]]\ndatabase = %q\ndbname = %q\ncluster = \"main\"\ngroup = %d\npool_size = %d\n", p.database, p.dbname, p.group, poolSize)
	}
	return text.String()
}
