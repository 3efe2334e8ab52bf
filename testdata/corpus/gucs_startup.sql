-- startup: DateStyle=SQL, DMY
-- startup: IntervalStyle=sql_standard
-- startup: client_encoding=LATIN1
-- startup: extra_float_digits=3
-- startup: search_path=one, two
-- startup: application_name=corpus
show datestyle;
select date '2003-02-01';
select interval '1 day 2 hours 3 minutes';
show client_encoding;
select 0.1::float4, 0.1::float8;
show search_path;
show application_name;
