prepare p (text, numeric, date, int[], json) as select $1, $2, $3, $4, $5;
execute p ('a', 1.50, '2001-02-03', '{1,2}', '{"a":1}');
execute p (null, null, null, null, null);
prepare q (no_such_type) as select 1;
prepare r (unknown) as select $1 || 'x';
execute r ('a');
prepare s as select $1::int;
execute s (5);
