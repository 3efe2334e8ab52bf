prepare p (int, text) as select $1, $2;
select name, statement, parameter_types, from_sql from pg_prepared_statements where name = 'p';
execute p (1, 'x');
select name, generic_plans, custom_plans from pg_prepared_statements where name = 'p';
deallocate p;
select count(*) from pg_prepared_statements where name = 'p';
