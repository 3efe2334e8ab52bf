-- user: app
-- Positions in errors are counted in the client's own text.
prepare p as select wrong;
prepare "Ein Name, der länger ist als der von allen anderen" as select wrong;
/* für */ prepare p as select 'für', wrong;
prepare p (int, nothing) as select $1;
prepare p (int) as select $1 as a;
execute p (wrong);
execute p ('für', wrong);
  execute P (false);
explain execute p (wrong);
explain (costs off, wrong) execute p (1);
create temp table t as execute p (wrong);
begin;
execute p (wrong);
rollback;
prepare "a long name, longer than portero_123" (int) as select $1;
execute "a long name, longer than portero_123" (wrong);

create table shifts (a int, b int);
prepare reads as select a, b from shifts;
execute reads;
drop table shifts;
execute reads;
explain execute reads;
create table shifts (a int);
execute reads;
deallocate reads;
select 1 + wrong;
