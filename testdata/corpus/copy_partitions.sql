create table p (a int, b text) partition by range (a);
create table p1 partition of p for values from (0) to (10);
create table p2 partition of p for values from (10) to (20);
copy p from stdin;
< 1	one
< 11	eleven
copy p from stdin;
< 30	thirty
select tableoid::regclass, * from p order by a;
copy p to stdout;
copy p1 to stdout;
