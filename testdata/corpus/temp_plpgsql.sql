create function uses_temp() returns int language plpgsql as $$
begin
  create temp table scratch (a int) on commit drop;
  insert into scratch values (1), (2);
  return (select count(*) from scratch);
end $$;
select uses_temp();
select uses_temp();
create function leaves_temp() returns int language plpgsql as $$
begin
  create temp table if not exists left_over (a int);
  insert into left_over values (1);
  return (select count(*) from left_over);
end $$;
select leaves_temp();
select leaves_temp();
