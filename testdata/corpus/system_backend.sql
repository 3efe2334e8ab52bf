create temp table me as select pg_backend_pid() as pid;
select pid = pg_backend_pid() from me;
begin;
select pg_backend_pid() = pid from me;
commit;
select count(*) from pg_stat_activity where pid = pg_backend_pid() and state = 'active';
