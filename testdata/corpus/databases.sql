-- user: postgres
create database corpus;
drop database no_such;
drop database corpus;
begin;
create database x;
rollback;
alter database corpus connection limit 50;
select datconnlimit from pg_database where datname = 'corpus';
alter database corpus connection limit -1;
comment on database corpus is 'of the corpus';
alter database no_such rename to x;
