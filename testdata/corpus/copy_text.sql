create table t (a int, b text);
copy t from stdin;
< 1	one
< 2	\N
< 3	tab\tand\\backslash\nnewline
select * from t order by a;
copy t to stdout;
copy t (b) to stdout with (delimiter '|', null 'nothing');
copy t from stdin with (delimiter ',', null 'x');
< 4,x
< 5,five
copy (select * from t where a > 3 order by a) to stdout;
copy t (a) from stdin;
< 6
copy (values (1, 2), (3, 4)) to stdout with delimiter ':';
copy t (b, a) from stdin;
< seven	7
select * from t where a = 7;
