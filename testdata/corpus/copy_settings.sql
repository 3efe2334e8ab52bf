set datestyle = 'German';
set intervalstyle = 'iso_8601';
set bytea_output = 'escape';
set extra_float_digits = 0;
copy (select date '2001-02-03', interval '1 day 3 hours', '\x00ff'::bytea, 0.1::float8 + 0.2::float8) to stdout;
create table t (d date, b bytea);
copy t from stdin;
< 03.02.2001	\\x0102
select * from t;
set client_encoding = 'LATIN1';
copy (select U&'\00e9') to stdout;
