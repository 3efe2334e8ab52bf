# Temporary tables, of sessions and of transactions.
create temp table scratch (i int, t text)
insert into scratch select i, 'scratch of {n}' from generate_series(1, 5) i
select count(*), min(t) from scratch
begin
insert into scratch values (6, 'rolled back')
create temp table gone (i int)
rollback
select count(*) from scratch
select count(*) from gone
begin
create temp table short on commit drop as select generate_series(1, 3) i
select sum(i) from short
commit
select count(*) from short
create temp table emptied (i int) on commit delete rows
begin
insert into emptied values ({n})
select i from emptied
commit
select count(*) from emptied
create temp table mine (i int, t text)
select count(*) as of_the_temporary from mine
drop table pg_temp.mine
select count(*) from mine
drop table scratch
select count(*) from scratch
discard temp
select count(*) from emptied
