create table t (g text, v int);
insert into t values ('a', 1), ('a', 3), ('a', 3), ('b', 2), ('b', 5);
select g, v, row_number() over w, rank() over w, dense_rank() over w, percent_rank() over w, cume_dist() over w, ntile(2) over w from t window w as (partition by g order by v) order by g, v, 3;
select g, v, sum(v) over (order by v, g rows between 1 preceding and 1 following) from t order by v, g;
select g, v, lag(v, 1, 0) over w, lead(v) over w, first_value(v) over w, last_value(v) over w, nth_value(v, 2) over w from t window w as (order by g, v) order by g, v;
select v, sum(v) over (order by v range between 1 preceding and current row exclude ties) from t order by v;
select v, count(*) over (order by v groups 1 preceding) from t order by v;
select sum(row_number() over ()) from t;
select v from t where rank() over () = 1;
