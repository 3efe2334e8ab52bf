# Errors outside and inside of transactions; behind each the client goes on.
selec 1
select 1/0
select * from no_such_table
insert into mine values (1, 'again')
select 'still here', count(*) from mine
begin
insert into mine values (11, 'in a failed transaction')
select 1/0
select 'refused'
rollback
select count(*) from mine
begin
select 1/0
commit
select count(*) from mine
create table later (i int unique deferrable initially deferred)
begin
insert into later values (1), (1)
commit
select count(*) from later
do $$ begin raise exception 'one of our own' using errcode = 'P{n}000', detail = 'its detail', hint = 'its hint'; end $$
commit
rollback
select 'end'
