# Savepoints, and transactions that are prepared for a later commit.
begin
insert into mine values (20, 'kept')
savepoint a
insert into mine values (20, 'twice')
rollback to a
insert into mine values (21, 'kept too')
savepoint b
insert into mine values (22, 'rolled back')
rollback to savepoint b
release savepoint b
release savepoint a
commit
select i, t from mine where i >= 20 order by i
begin
savepoint a
select 1/0
release a
rollback to a
select 'healed'
commit
begin isolation level serializable read only
show transaction_isolation
insert into mine values (23, 'read only')
rollback
begin
insert into mine values (24, 'prepared')
prepare transaction '{schema}'
select count(*) from mine where i = 24
select gid from pg_prepared_xacts where gid = '{schema}'
commit prepared '{schema}'
select count(*) from mine where i = 24
begin
insert into mine values (25, 'chained')
commit and chain
insert into mine values (26, 'not kept')
rollback
select i from mine where i > 24 order by i
delete from mine where i >= 20
