-- user: postgres
alter role app set work_mem = '11MB';
alter role low set work_mem = '12MB';
alter database corpus set statement_timeout = '33s';
set role low;
show work_mem;
reset role;
select rolname, setconfig from pg_db_role_setting left join pg_roles on setrole = pg_roles.oid order by 1, 2;
alter role app reset work_mem;
alter database corpus reset all;
alter role all set lock_timeout = '1s';
alter role all reset lock_timeout;
