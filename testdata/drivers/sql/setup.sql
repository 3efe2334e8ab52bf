# What each program does first. One statement on a line; {n} is the client's number, {schema}
# a schema of its own, {all} one of all clients of the driver.
set search_path = {schema}, public
set statement_timeout = '60{n}s'
set timezone = '{zone}'
create table mine (i int primary key, t text)
insert into mine select i, 'row ' || i || ' of {n}' from generate_series(1, 10) i
