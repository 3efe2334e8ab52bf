-- user: postgres
create table t (a int primary key, b text);
create publication p for table t where (a > 5);
create publication q for all tables;
alter publication p add table t;
select pubname, puballtables from pg_publication order by 1;
insert into t values (1, 'x');
update t set b = 'y';
alter table t replica identity full;
select pubname, tablename from pg_publication_tables order by 1, 2;
drop publication p, q;
