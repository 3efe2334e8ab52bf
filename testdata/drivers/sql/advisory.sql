# Advisory locks of the session: counted, kept over transactions, and each client alone.
select pg_advisory_lock({n} + 1000)
select pg_advisory_lock({n} + 1000)
select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()
select pg_advisory_unlock({n} + 1000)
select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()
select pg_advisory_unlock({n} + 1000)
select pg_advisory_unlock({n} + 1000)
select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()
create table seen (v int)
select pg_advisory_lock(hashtext('{all}'))
insert into seen select v from {all}.counter
update {all}.counter set v = (select v + 1 from seen)
select v = (select v + 1 from seen) from {all}.counter
select pg_advisory_unlock(hashtext('{all}'))
begin
select pg_advisory_xact_lock({n} + 2000)
select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()
commit
select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()
begin
select pg_try_advisory_lock({n} + 3000)
rollback
select pg_advisory_unlock_all()
select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()
