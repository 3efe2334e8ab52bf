create temp table t (a int);
grant select on t to low;
set role low;
select * from t;
insert into t values (1);
create temp table mine (a int);
reset role;
select * from mine;
drop table mine;
