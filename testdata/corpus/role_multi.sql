set role low; select current_user; reset role; select current_user;
set role low; select current_user;
select current_user; reset role;
select current_user;
begin; set local role high; select current_user; commit; select current_user;
begin; set role high; commit; select current_user;
set role none;
