create table t (a int, b text, c text);
copy t from stdin csv;
< 1,"two, three","say ""hi"""
< 2,,""
< 3," spaced ",x
select * from t order by a;
copy t to stdout (format csv, header, quote '''', force_quote (b));
copy t from stdin (format csv, header, null 'NULL');
< a,b,c
< 4,NULL,"NULL"
select * from t where a = 4;
copy t from stdin (format csv, force_null (b), force_not_null (c));
< 5,"",
select a, b is null, c is null from t where a = 5;
copy t from stdin csv;
< 6,"never closed
copy t from stdin (format csv, header match);
< a,b,d
< 7,x,y
copy t from stdin (format csv, header match);
< a,b,c
< 7,x,y
copy t to stdout (format csv, escape '\', delimiter ';');
