select pg_advisory_lock(1);
select pg_try_advisory_lock(1);
select pg_advisory_unlock(1);
select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid();
select pg_advisory_unlock(1);
select pg_advisory_unlock(1);
select pg_try_advisory_lock(2, 3);
select classid, objid, mode, granted from pg_locks where locktype = 'advisory' and pid = pg_backend_pid();
select pg_advisory_unlock(2, 3);
