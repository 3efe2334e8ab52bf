-- Several statements in one query are one transaction.
select 1 \; select 2 as two \; select :n as n;
insert into mine values (50, 'undone with the rest') \; select 1/0;
select count(*) from mine where i = 50;
begin \; insert into mine values (51, 'committed') \; commit \; select count(*) from mine where i = 51;
set work_mem = '7MB' \; show work_mem \; select 1/0;
show work_mem;
delete from mine where i = 51;
select format('select %L as made', i) from generate_series(1, 3) i \gexec
select $$; -- no comment$$ as "dollar;quoted", E'\'' as "it's", $n$ $$ $n$ as nested /* /* two */ deep; */;
