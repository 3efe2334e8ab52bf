create table t (a int primary key);
begin;
copy t from stdin;
< 1
< 2
savepoint a;
copy t from stdin;
< 3
< 3
rollback to a;
copy t to stdout;
commit;
select count(*) from t;
begin;
copy t from stdin;
< 4
rollback;
select count(*) from t;
begin read only;
copy t from stdin;
rollback;
