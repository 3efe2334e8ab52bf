set log_min_messages = fatal;
set session_replication_role = replica;
set shared_buffers = '1GB';
set server_version = '9';
show data_directory;
set is_superuser = on;
set role no_such_role;
set session authorization postgres;
select current_user;
