set array_nulls = off;
select '{1,null}'::text[];
set array_nulls = on;
select '{1,null}'::text[];
set transform_null_equals = on;
select null = null;
reset transform_null_equals;
select null = null;
