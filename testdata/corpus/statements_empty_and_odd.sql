;

select
1
as
a;
select 1 as "column with spaces", 2 as "ünïcödé", 3 as "";
select 1 as "column with spaces", 2 as "ünïcödé", 3 as select;
select 'x' as a, 'y' as a;
select 1 a, 2 b, 3;
select repeat('long ', 1000);
select null, true, false;
select * from (values (1, 'a'), (2, null)) v(i, t);
select generate_series(1, 30);
select 1/0 from generate_series(1, 3);
select 10 / (3 - g) from generate_series(1, 5) g;
