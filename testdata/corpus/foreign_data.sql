-- user: postgres
create foreign data wrapper nothing;
create server s foreign data wrapper nothing options (host 'x');
create user mapping for app server s options (user 'u', password 'p');
create foreign table ft (a int) server s options (x 'y');
select * from ft;
alter server s options (set host 'z');
select srvname, srvoptions from pg_foreign_server;
drop foreign data wrapper nothing;
drop foreign data wrapper nothing cascade;
