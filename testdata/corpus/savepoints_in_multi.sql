create table t (a int);
begin; savepoint a; insert into t values (1); rollback to a; insert into t values (2); release a; commit;
select * from t;
savepoint a; insert into t values (3); rollback to a;
select * from t;
begin; insert into t values (4); savepoint s; select 1/0;
rollback to s; commit;
select * from t order by a;
