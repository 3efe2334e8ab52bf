create table t (a int);
create procedure p(n int) language plpgsql as $$
begin
  for i in 1..n loop
    insert into t values (i);
    if i % 2 = 0 then commit; else rollback; end if;
  end loop;
end $$;
call p(4);
select * from t order by a;
begin;
call p(2);
rollback;
create procedure gives(inout a int, out b text) language plpgsql as $$ begin a := a * 2; b := 'x' || a; end $$;
call gives(4, null);
call no_such();
select p(1);
create procedure sqlp() language sql as $$ delete from t $$;
call sqlp();
select count(*) from t;
drop procedure p;
