-- user: postgres
-- startup: options=-c role=reader
create table t (a int);
select current_user, session_user;
show is_superuser;
select count(*) from pg_authid;
set role none;
select count(*) > 0 from pg_authid;
