create table t (a int, b text default 'default', c int generated always as (a * 2) stored);
copy t from stdin;
< 1	x
copy t (a) from stdin;
< 2
select * from t order by a;
copy t to stdout;
copy t from stdin where a > 3;
< 3	no
< 4	yes
select a from t order by a;
copy t from stdin (freeze);
< 5	frozen
begin;
truncate t;
copy t from stdin (freeze);
< 5	frozen
commit;
select a, b from t;
copy t (c) from stdin;
copy t from stdin (encoding 'LATIN1');
< 6	plain
copy t to stdout (encoding 'no such');
