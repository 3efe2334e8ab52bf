create table t (a int);
create function f() returns int language plpgsql as $$
declare n int := 0;
begin
  for i in 1..100 loop
    begin
      insert into t values (i);
      if i % 3 = 0 then raise exception 'third'; end if;
    exception when raise_exception then n := n + 1;
    end;
  end loop;
  return n;
end $$;
select f();
select count(*) from t;
begin;
select f();
savepoint s;
select f();
rollback to s;
select count(*) from t;
rollback;
