create table t (a int check (a < 10), b text);
copy t from stdin;
< 3	three
< x	four
copy t from stdin;
< 3	three
<! no more
copy t from stdin;
< 3
copy t from stdin;
< 3	a	b
copy t from stdin;
< 30	c
select count(*) from t;
copy no_such from stdin;
copy t (no_such) from stdin;
copy t from '/etc/passwd';
copy t to program 'true';
copy t from stdin (format nonsense);
copy t from stdin;
<! at once
copy (delete from t) to stdout;
begin;
copy t from stdin;
< x	y
select 1;
rollback;
