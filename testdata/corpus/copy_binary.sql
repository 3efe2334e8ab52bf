create table t (a int, b text);
insert into t values (1, 'one'), (2, null);
copy (select * from t order by a) to stdout (format binary);
copy t from stdin (format binary);
<x 5047434f50590aff0d0a00 00000000 00000000
<x 0002 00000004 00000003 00000005 7468726565
<x ffff
select * from t order by a;
copy t from stdin (format binary);
<x 00
copy t from stdin (format binary);
<x 5047434f50590aff0d0a00 00000000 00000000
<x 0001 00000004 00000003
copy t from stdin with binary;
<x 5047434f50590aff0d0a00 00000000 00000000
<x 0002 00000002 0003 ffffffff
<x ffff
