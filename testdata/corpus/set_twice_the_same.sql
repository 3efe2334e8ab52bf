set work_mem = '5MB'; set work_mem = '5MB';
set work_mem = '4MB';
show work_mem;
select source from pg_settings where name = 'work_mem';
set datestyle = 'ISO, MDY';
select source from pg_settings where name = 'DateStyle';
reset work_mem;
select source from pg_settings where name = 'work_mem';
