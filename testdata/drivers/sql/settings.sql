# Settings follow their client over transactions, and go back with a transaction.
show search_path
set work_mem = '5{n}00kB'
show work_mem
begin
set local statement_timeout = '70{n}s'
show statement_timeout
commit
show statement_timeout
begin
set extra_float_digits = -{n}
set work_mem = '6{n}00kB'
select set_config('my.number', '{n}', false)
rollback
show work_mem
select current_setting('my.number', true) is null or current_setting('my.number', true) = ''
select set_config('my.number', '{n}', false)
begin
select set_config('my.number', 'local', true)
select current_setting('my.number')
savepoint s
set my.number = 'behind the savepoint'
rollback to s
select current_setting('my.number')
commit
select current_setting('my.number')
set session characteristics as transaction isolation level repeatable read
show transaction_isolation
begin
show transaction_isolation
commit
set session characteristics as transaction isolation level read committed
set intervalstyle = 'iso_8601'
select (interval '1{n} hours')::text
set intervalstyle = 'postgres'
set no_such_setting = 1
set work_mem = 'much'
select count(*), min(t) from mine
set application_name = 'renamed {n}'
show application_name
select count(*) from pg_stat_activity where application_name = 'renamed {n}' and pid = pg_backend_pid()
set application_name = '{name} {n}'
set work_mem = '{memory}'
select timestamptz '2024-07-01 12:00:00+00'::text
