create temp table t (a int);
insert into t values (1);
discard temp;
select * from t;
create temp table t (b int);
discard temporary;
select * from t;
