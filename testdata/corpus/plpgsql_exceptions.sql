create table t (a int primary key);
create function tries(int) returns text language plpgsql as $$
declare m text; s text;
begin
  insert into t values ($1);
  perform 1 / ($1 - 3);
  return 'inserted';
exception
  when unique_violation then return 'there already';
  when others then
    get stacked diagnostics m = message_text, s = returned_sqlstate;
    return s || ': ' || m;
end $$;
select tries(1), tries(2);
select tries(1);
select tries(3);
select * from t order by a;
create function rethrows() returns void language plpgsql as $$ begin begin perform 1/0; exception when division_by_zero then raise notice 'caught'; raise; end; end $$;
select rethrows();
