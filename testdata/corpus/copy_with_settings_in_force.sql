set client_min_messages = 'error';
create table t (a timestamptz, b interval, c float8);
set timezone = 'Asia/Tokyo';
set intervalstyle = 'sql_standard';
copy t from stdin;
< 2020-01-01 00:00:00	1 day	0.30000000000000004
set timezone = 'UTC';
set intervalstyle = 'iso_8601';
set extra_float_digits = 0;
copy t to stdout;
set extra_float_digits = 1;
copy t to stdout csv;
set datestyle = 'SQL, DMY';
copy t to stdout;
