create table t (a int);
create table u (a int);
copy t from stdin; copy u from stdin;
< 1
<---
< 2
select * from t; select * from u;
copy t to stdout; copy u to stdout; select 3;
copy t from stdin; select 1/0;
< 5
select * from t;
begin; copy t from stdin; copy u from stdin;
< 6
<---
< seven
rollback;
select * from t;
