# A client that gives up its rights has them no more in its next transaction.
select current_user, session_user
set role low
select current_user, session_user
insert into mine values (100, 'must not be')
begin
reset role
select current_user
rollback
select current_user
reset role
select current_user
begin
set local role low
select current_user
commit
select current_user
