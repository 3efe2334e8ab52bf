-- startup: options=-c work_mem=5MB -c datestyle=German --statement-timeout=12345 -c app.tenant=seven\ of\ nine
show work_mem;
select date '2000-01-02';
show statement_timeout;
show app.tenant;
set work_mem = '6MB';
show work_mem;
begin;
set work_mem = '7MB';
rollback;
show work_mem;
set local work_mem = '8MB';
select source, setting from pg_settings where name = 'datestyle';
