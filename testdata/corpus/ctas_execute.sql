prepare p (int) as select g as a from generate_series(1, $1) g;
create table t as execute p (3);
select * from t order by a;
create table if not exists t as execute p (4);
create temp table tt as execute p (2);
select count(*) from tt;
create table empty as execute p (5) with no data;
select count(*) from empty;
