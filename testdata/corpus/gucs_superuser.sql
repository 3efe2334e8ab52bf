-- user: postgres
set log_min_messages = fatal;
show log_min_messages;
set session_replication_role = replica;
show session_replication_role;
create table t (a int);
create table u (a int primary key);
alter table t add foreign key (a) references u;
insert into t values (1);
set session_replication_role = origin;
insert into t values (1);
set allow_system_table_mods = on;
show allow_system_table_mods;
set zero_damaged_pages = off;
set max_connections = 5;
set log_connections = on;
