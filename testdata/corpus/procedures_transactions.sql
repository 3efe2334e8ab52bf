create table t (a int);
create procedure p() language plpgsql as $$
begin
  insert into t values (1);
  commit;
  insert into t values (2);
  rollback;
  insert into t values (3);
  begin
    insert into t values (4);
    raise exception 'inner';
  exception when raise_exception then
    insert into t values (5);
  end;
  commit;
  perform 1/0;
end $$;
call p();
select * from t order by a;
create procedure in_block() language plpgsql as $$ begin begin commit; exception when others then raise notice '%', sqlerrm; end; end $$;
call in_block();
call p(); select 1;
select count(*) from t;
create function calls() returns void language plpgsql as $$ begin call p(); end $$;
select calls();
do $$ begin call p(); end $$;
select count(*) from t;
