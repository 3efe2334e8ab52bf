create table t (a int);
copy (insert into t values (1), (2) returning a, a * 2) to stdout;
copy (update t set a = a + 10 returning a) to stdout csv;
copy (with d as (delete from t returning a) select count(*) from d) to stdout;
copy (select 1 where false) to stdout;
copy (select generate_series(1, 200)) to stdout;
copy (select 1/(5 - g) from generate_series(1, 10) g) to stdout;
