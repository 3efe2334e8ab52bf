-- user: postgres
begin;
set session authorization app;
select session_user, current_user;
rollback;
select session_user, current_user;
begin;
set session authorization app;
savepoint a;
set role low;
rollback to a;
select session_user, current_user;
commit;
select session_user, current_user;
reset session authorization;
select session_user, current_user;
show is_superuser;
