begin;
set work_mem = '5MB';
set local datestyle = 'German';
prepare transaction 'set';
show work_mem;
show datestyle;
rollback prepared 'set';
show work_mem;
