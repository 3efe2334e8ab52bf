show no_such;
select name, setting, unit, context, vartype, source, min_val, max_val, enumvals, boot_val from pg_settings where name in ('enable_seqscan', 'datestyle', 'work_mem', 'bytea_output');
set enable_seqscan = off;
select name, setting, source, reset_val from pg_settings where name = 'enable_seqscan';
update pg_settings set setting = 'on' where name = 'enable_seqscan';
show enable_seqscan;
select setting from pg_settings where name = 'bytea_output';
