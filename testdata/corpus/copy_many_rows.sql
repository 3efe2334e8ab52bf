create table t (a int, b text);
copy t from stdin csv;
< 1,a
< 2,b
< 3,c
< 4,d
< 5,e
< 6,f
< 7,g
< 8,h
< 9,i
< 10,j
copy (select a from t order by a desc limit 3) to stdout csv header;
copy (select g, repeat('r', 50) from generate_series(1, 500) g) to stdout;
select count(*) from t;
delete from t;
copy t to stdout;
