-- DISCARD ALL goes back to what the client gave at its start.
set work_mem = '9MB';
set datestyle = 'German';
discard all;
show work_mem;
show datestyle;
show application_name;
show search_path;
begin;
discard all;
rollback;
set search_path = :"schema", public;
set statement_timeout = :'timeout';
set timezone = :'zone';
set work_mem = :'memory';
set application_name = :'application';
