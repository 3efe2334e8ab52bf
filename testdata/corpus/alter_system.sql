-- user: postgres
begin;
alter system set work_mem = '5MB';
rollback;
alter system set no_such = 1;
alter system set work_mem = 'much';
alter system reset no_such;
select pg_reload_conf();
show work_mem;
