select 1::int2 as a, 2::int8 as b, 'x'::name as c, 1.25::numeric(10, 3) as d, 'x'::varchar(7) as e, b'101'::bit(3) as f, interval '1 day' as g, time(3) '10:00' as h, array[1.5]::numeric(5, 2)[] as i;
create table t (a numeric(8, 2), b varchar(9), c timestamp(3), d interval day to second(2));
select * from t;
select a as x, b as y from t;
insert into t values (1, 'x', '2020-01-01 00:00:00.12345', '1 day 00:00:01.239') returning *;
select null::void;
select 1 as n from t union all select 2;
select t from t;
select row(1, 2), null::record;
