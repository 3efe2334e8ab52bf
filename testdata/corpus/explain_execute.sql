create table t (a int primary key);
prepare p (int) as select * from t where a = $1;
set enable_seqscan = off;
explain (costs off) execute p (1);
set plan_cache_mode = force_generic_plan;
explain (costs off) execute p (1);
explain (costs off) execute no_such (1);
explain (costs off, analyze, timing off, summary off, buffers off) execute p (1);
