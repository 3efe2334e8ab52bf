-- startup: application_name=corpus
select application_name from pg_stat_activity where pid = pg_backend_pid();
set application_name = 'second';
select application_name from pg_stat_activity where pid = pg_backend_pid();
begin;
set local application_name = 'third';
select application_name, state from pg_stat_activity where pid = pg_backend_pid();
commit;
select application_name from pg_stat_activity where pid = pg_backend_pid();
set application_name = 'with ümlaut';
show application_name;
set application_name = '';
select application_name from pg_stat_activity where pid = pg_backend_pid();
