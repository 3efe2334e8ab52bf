create function pg_temp.twice(int) returns int language sql as $$ select 2 * $1 $$;
select pg_temp.twice(4);
select twice(4);
create type pg_temp.pair as (a int, b int);
select (1, 2)::pg_temp.pair;
drop function pg_temp.twice(int);
select pg_temp.twice(4);
