-- user: postgres
create table secret (a int);
insert into secret values (1);
grant select on secret to reader;
set role low;
select current_user, a from secret;
delete from pg_class;
create role nobody_makes_this;
reset role;
select current_user, a from secret;
set role reader;
select current_user, a from secret;
insert into secret values (2);
set role none;
insert into secret values (2);
