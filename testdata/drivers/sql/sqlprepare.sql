# PREPARE as a statement.
prepare one (int) as select $1 * 10 + {n}, (select count(*) from mine)
execute one(1)
execute one(2)
begin
execute one(3)
commit
prepare one as select 'twice'
execute two
begin
prepare two as select 'two of {n}'
rollback
execute two
explain (costs off) execute one(1)
create table made as execute one(4)
select * from made
deallocate one
execute one(1)
deallocate two
deallocate two
