select pg_advisory_lock_shared(11);
select pg_try_advisory_lock_shared(11);
select mode from pg_locks where locktype = 'advisory' and objid = 11;
select pg_advisory_unlock(11);
select pg_advisory_unlock_shared(11), pg_advisory_unlock_shared(11), pg_advisory_unlock_shared(11);
select pg_advisory_lock(12), pg_advisory_lock(13), pg_advisory_lock_shared(14);
select pg_advisory_unlock_all();
select count(*) from pg_locks where locktype = 'advisory' and objid in (12, 13, 14);
