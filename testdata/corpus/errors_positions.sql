select 1 +;
select a, no_such from (values (1)) v(a);
select
  1,
  no_such
from pg_class;
select 'ünïcödé', no_such;
create table t (a int, b int, a int);
insert into pg_class (no_such) values (1);
select * from generate_series(1, 2) g where g.no_such = 1;
create function f() returns int language plpgsql as $$
begin
  return no_such;
end $$;
select f();
do $$
begin
  selec 1;
end $$;
