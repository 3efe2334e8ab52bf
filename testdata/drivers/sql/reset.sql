# RESET goes back to what the client gave at its start.
set work_mem = '5{n}01kB'
reset work_mem
show work_mem
set application_name = 'other'
set application_name to default
show application_name
begin
reset statement_timeout
show statement_timeout
rollback
show statement_timeout
reset all
show work_mem
show statement_timeout
show application_name
set search_path = {schema}, public
set statement_timeout = '60{n}s'
set timezone = '{zone}'
set work_mem = '{memory}'
set application_name = '{name} {n}'
