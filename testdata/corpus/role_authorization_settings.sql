-- user: postgres
set work_mem = '5MB';
set session authorization app;
show work_mem;
set datestyle = 'German';
create table t (a int);
reset session authorization;
select tableowner from pg_tables where tablename = 't';
show datestyle;
discard all;
show datestyle;
select session_user;
