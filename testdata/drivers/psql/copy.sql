create table copied (i int primary key, t text);
\copy copied from program 'seq 1 400 | sed "s/$/\tline/"'
select count(*), sum(i), min(t) from copied;
\copy (select i, t from copied order by i) to program 'md5sum'
\copy (select i, t from copied where i < 5 order by i) to stdout with (format csv, header)
copy (select i from copied where i < 5 order by i) to stdout \; select 'behind a COPY' \; copy (select 'and another') to stdout;
copy copied from stdin;
1000	a
2000	b
\.
copy copied from stdin;
3000	a
no number	b
4000	c
\.
select count(*) from copied;
begin;
copy copied from stdin with (format csv);
5000,"in a
transaction"
\.
rollback;
copy no_such_table from stdin;
copy (select 1 / (5 - i) from generate_series(1, 10) i) to stdout;
select count(*) from copied;
