package session

import (
	"bytes"

	"portero/wire"
)

// On a Citus cluster each node takes reads and writes of distributed tables. What changes the
// schema, or the metadata about nodes and shards, the coordinator alone takes; so do we with
// what has to be in one place to be found, as advisory locks and notifications. Here it is
// recognised by the text: a statement that only looks like one costs no more than its place.
//
// Temporary tables are no schema to Citus, and belong to the server that they are made on.

// spreading is what a session knows of being spread over groups.
type spreading struct {
	spread bool    // its transactions are
	away   bool    // it has a server of another node than the coordinator
	barred refusal // why the frame at hand is not to run where it is; 0: it may
}

// Spread tells whether each of the client's transactions may be at another group. There PREPARE
// TRANSACTION is refused: COMMIT PREPARED would not know where.
func (s *Session) Spread(is bool) { s.spread, s.away = is, s.away && is }

// NeedsCoordinator reports whether what the client is about to ask is for the coordinator. asked
// begins with a frame that was just shown to FromClient, and may hold more. What counts is all up
// to the first Query or Sync, and behind a BEGIN what is in its block.
func (s *Session) NeedsCoordinator(asked []byte) bool {
	parsed := false // the unnamed statement, anew: its text has been looked at, and is not the one that is known
	for {
		f, ok, err := wire.Next(asked)
		if err != nil || !ok {
			return false
		}
		var sql []byte
		opens := false
		if !parsed || !bindsUnnamed(f) {
			sql, opens = s.textOf(f)
		}
		parsed = parsed || f.Type == 'P' && len(f.Body) > 0 && f.Body[0] == 0
		if s.forCoordinator(sql) {
			return true
		}
		if !f.Whole() || f.Type == 'S' || f.Type == 'F' || f.Type == 'Q' && !opens {
			return false
		}
		asked = asked[wire.HeaderLen+f.Size:]
	}
}

// textOf is the text that a frame brings or runs, as far as it is there. opens: it is a Query that
// does nothing but open a block.
func (s *Session) textOf(f wire.Frame) (sql []byte, opens bool) {
	switch f.Type {
	case 'Q':
		sql, _ = statement(f.Body, f.Whole())
		return sql, f.Whole() && s.isBegin(sql)
	case 'P':
		if _, rest, ok := wire.CutString(f.Body); ok {
			sql, _ = statement(rest, f.Whole())
		}
	case 'B':
		if _, name, ok := bound(f); ok {
			if st, known := s.recall(name); known {
				sql = st.query()
			}
		}
	}
	return sql, false
}

func bindsUnnamed(f wire.Frame) bool {
	if f.Type != 'B' {
		return false
	}
	_, name, ok := bound(f)
	return ok && len(name) == 0
}

func (s *Session) isBegin(sql []byte) bool {
	return !s.several(sql) && byFirstWord(sql) == kindBegin
}

func (s *Session) conforms() bool {
	v, set := s.settings.Get("standard_conforming_strings")
	return !set || v == "on"
}

// forCoordinator reports whether one of the statements of a text is for the coordinator, or what
// it executes by name.
func (s *Session) forCoordinator(sql []byte) bool {
	if len(sql) == 0 {
		return false
	}
	conforming := s.conforms()
	if calls(sql, conforming) {
		return true
	}
	for {
		sql = skipEmpty(sql)
		if ofSchema(sql, conforming) {
			return true
		}
		if text := s.runsByName(sql); text != nil && (calls(text, conforming) || ofSchema(text, conforming)) {
			return true
		}
		if isOne(sql) {
			return false
		}
		sql, _ = afterFirst(sql, conforming)
	}
}

// schemaWords begin what the coordinator has to be told.
var schemaWords = [...]string{
	"ALTER", "ANALYSE", "ANALYZE", "CLUSTER", "COMMENT", "CREATE", "DO", "DROP", "GRANT", "IMPORT", "LISTEN", "NOTIFY",
	"REASSIGN", "REFRESH", "REINDEX", "REVOKE", "SECURITY", "TRUNCATE", "UNLISTEN", "VACUUM",
}

// ofSchema reports whether a statement is for the coordinator by what it begins with, or makes a
// table of a query. A DO may do anything. COMMIT PREPARED and ROLLBACK PREPARED are for where
// things are to be found.
func ofSchema(sql []byte, conforming bool) bool {
	word, rest := firstWord(sql)
	switch {
	case is(word, "CREATE"):
		return !makesTemp(rest)
	case is(word, "SELECT"), is(word, "WITH"):
		return intoTable(rest, conforming)
	case is(word, "SET"):
		_, imports := cutWords(rest, "TRANSACTION", "SNAPSHOT")
		return imports
	case is(word, "EXPLAIN"):
		rest = explains(rest)
		return !startsWith(rest, "EXPLAIN") && ofSchema(rest, conforming)
	case is(word, "COMMIT"), is(word, "ROLLBACK"):
		_, prepared := cutWords(rest, "PREPARED")
		return prepared
	}
	for _, w := range schemaWords {
		if is(word, w) {
			return true
		}
	}
	return false
}

// makesTemp reports whether a CREATE makes something temporary.
func makesTemp(rest []byte) bool {
	for {
		word, after := firstWord(rest)
		switch {
		case is(word, "TEMP"), is(word, "TEMPORARY"):
			return true
		case is(word, "LOCAL"), is(word, "GLOBAL"), is(word, "OR"), is(word, "REPLACE"):
			rest = after
		default:
			return false
		}
	}
}

// calls reports whether a text calls a function that is for the coordinator: its name stands
// before a parenthesis, be it in a string. Where there is a comment between the two, the text is
// read as PostgreSQL does.
func calls(sql []byte, conforming bool) bool {
	commented := false
	for at := 0; ; at++ {
		i := bytes.IndexByte(sql[at:], '(')
		if i < 0 {
			return commented && (bytes.Contains(sql, endOfComment) || bytes.Contains(sql, lineComment)) && anyCalls(sql, conforming)
		}
		at += i
		end := at
		for end > 0 && isBlank(sql[end-1]) {
			end--
		}
		commented = commented || end > 0 && sql[end-1] == '/' || end < at && bytes.IndexByte(sql[end:at], '\n') >= 0 // and before it a line comment may end
		if end > 0 && sql[end-1] == '"' {
			end--
		}
		start := end
		for start > 0 && ofWord(sql[start-1]) {
			start--
		}
		if isManagement(sql[start:end]) {
			return true
		}
	}
}

var endOfComment, lineComment = []byte("*/"), []byte("--")

// anyCalls is calls for all statements of a text, whatever stands between a name and its
// parenthesis.
func anyCalls(sql []byte, conforming bool) bool {
	for {
		if callsBy(sql, conforming, isManagement) {
			return true
		}
		if isOne(sql) {
			return false
		}
		sql, _ = afterFirst(sql, conforming)
	}
}

func isManagement(name []byte) bool {
	var room [longestManagement]byte
	if len(name) < shortestManagement || len(name) > longestManagement {
		return false
	}
	lower := room[:copy(room[:], name)]
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c | 0x20
		}
	}
	_, is := management[string(lower)]
	return is
}

// management are the functions of Citus that change metadata, move data between nodes or report
// about that (Citus documentation, "Citus Utility Functions", and EnsureCoordinator in its
// sources), and those of PostgreSQL whose effect is to be found by others.
var management = func() map[string]struct{} {
	all := make(map[string]struct{})
	for _, name := range []string{
		"create_distributed_table", "create_distributed_table_concurrently", "create_reference_table", "create_distributed_function",
		"undistribute_table", "alter_distributed_table", "alter_table_set_access_method", "update_distributed_table_colocation",
		"mark_tables_colocated", "truncate_local_data_after_distributing_table", "remove_local_tables_from_metadata",
		"citus_add_local_table_to_metadata", "citus_schema_distribute", "citus_schema_undistribute", "citus_schema_move",
		"create_time_partitions", "drop_old_time_partitions", "alter_old_partitions_set_access_method",

		"citus_add_node", "citus_add_inactive_node", "citus_add_secondary_node", "citus_activate_node", "citus_update_node",
		"citus_set_node_property", "citus_disable_node", "citus_remove_node", "citus_set_coordinator_host", "citus_drain_node",
		"master_add_node", "master_add_inactive_node", "master_add_secondary_node", "master_activate_node", "master_update_node",
		"master_set_node_property", "master_disable_node", "master_remove_node", "master_drain_node", "master_copy_shard_placement",
		"master_move_shard_placement", "start_metadata_sync_to_node", "start_metadata_sync_to_all_nodes", "stop_metadata_sync_to_node",

		"citus_copy_shard_placement", "citus_move_shard_placement", "rebalance_table_shards", "replicate_table_shards",
		"get_rebalance_table_shards_plan", "get_rebalance_progress", "citus_rebalance_start", "citus_rebalance_stop",
		"citus_rebalance_wait", "citus_rebalance_status", "citus_job_cancel", "citus_job_wait", "citus_job_list", "citus_job_status",
		"citus_add_rebalance_strategy", "citus_set_default_rebalance_strategy", "citus_split_shard_by_split_points",
		"isolate_tenant_to_new_shard", "citus_cleanup_orphaned_resources", "citus_cleanup_orphaned_shards",

		"citus_create_restore_point", "citus_prepare_pg_upgrade", "citus_finish_pg_upgrade", "citus_finish_citus_upgrade",
		"recover_prepared_transactions", "run_command_on_workers", "run_command_on_shards", "run_command_on_placements",
		"run_command_on_colocated_placements", "run_command_on_all_nodes", "run_command_on_coordinator",

		"pg_notify", "pg_advisory_lock", "pg_advisory_lock_shared", "pg_try_advisory_lock", "pg_try_advisory_lock_shared",
		"pg_advisory_xact_lock", "pg_advisory_xact_lock_shared", "pg_try_advisory_xact_lock", "pg_try_advisory_xact_lock_shared",
		"pg_advisory_unlock", "pg_advisory_unlock_shared", "pg_advisory_unlock_all",
		"pg_cancel_backend", "pg_terminate_backend", "pg_export_snapshot",
	} {
		if len(name) < shortestManagement || len(name) > longestManagement {
			panic(name)
		}
		all[name] = struct{}{}
	}
	return all
}()

const shortestManagement, longestManagement = len("pg_notify"), len("truncate_local_data_after_distributing_table")
