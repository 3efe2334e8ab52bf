create temp table t (a no_such_type);
select * from t;
begin;
create temp table t (a int);
select 1/0;
rollback;
select * from t;
create temp table t as select 1/0 as a;
select * from t;
