create table t (a int);
insert into t values (1); insert into t values (2); select count(*) from t;
insert into t values (3); select 1/0; insert into t values (4);
select * from t order by a;
begin; insert into t values (5); commit; insert into t values (6); select 1/0;
select * from t order by a;
begin; insert into t values (7);
select count(*) from t;
commit; begin; insert into t values (8);
rollback; select count(*) from t;
select 1; ; select 2;
;
-- nothing but a comment

/* or one of
two lines */;
