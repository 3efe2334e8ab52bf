select set_config('role', 'low', false);
select current_user;
select set_config('role', 'none', false);
select current_user;
begin;
select set_config('role', 'high', true);
select current_user;
commit;
select current_user;
