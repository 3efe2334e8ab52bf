create temp table t (a int);
prepare p (int) as insert into t values ($1) returning a;
execute p (1);
execute p (2);
select count(*) from t;
deallocate p;
drop table t;
