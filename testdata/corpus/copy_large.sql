create table t (a int, b text);
insert into t select g, repeat('x', 1000) from generate_series(1, 100) g;
copy (select a, length(b) from t order by a limit 3) to stdout;
copy (select repeat('y', 100000)) to stdout;
copy t to stdout;
select count(*), sum(length(b)) from t;
