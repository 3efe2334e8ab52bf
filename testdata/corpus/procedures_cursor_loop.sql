create table t as select g as a from generate_series(1, 3) g;
create procedure p() language plpgsql as $$
declare r record;
begin
  for r in select a from t order by a loop
    update t set a = a + 10 where a = r.a;
    commit;
    raise notice 'committed %', r.a;
  end loop;
end $$;
call p();
select * from t order by a;
create procedure fails() language plpgsql as $$ begin insert into t values (100); commit; insert into t values (101); raise exception 'behind a commit'; end $$;
call fails();
select max(a) from t;
create procedure nested() language plpgsql as $$ begin call fails(); end $$;
call nested();
