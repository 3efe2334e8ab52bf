create table t (a text);
copy t from stdin;
< one
< \.
< behind the end
select * from t;
copy t from stdin;
copy t from stdin csv;
< \.
select count(*) from t;
copy t from stdin;
< a\
< b
select count(*) from t;
