create temp table t (a int); insert into t values (1); select * from t; drop table t;
select 1;
begin; create temp table t (a int) on commit drop; insert into t values (2); select * from t; commit;
select * from t;
do $$ begin create temp table scratch (a int); insert into scratch values (1); drop table scratch; end $$;
select * from scratch;
