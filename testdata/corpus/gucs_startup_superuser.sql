-- user: postgres
-- startup: options=-c session_replication_role=replica -c log_min_duration_statement=99999
show session_replication_role;
show log_min_duration_statement;
set session_replication_role = origin;
show session_replication_role;
