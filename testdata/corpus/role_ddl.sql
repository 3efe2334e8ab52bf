-- user: postgres
create role corpus_a login noinherit connection limit 3 valid until '2099-01-01 00:00:00+00';
create role corpus_b in role corpus_a;
alter role corpus_a createdb createrole;
select rolname, rolcreatedb, rolcreaterole, rolinherit, rolconnlimit from pg_roles where rolname like 'corpus%' order by 1;
grant corpus_a to app with admin option;
select roleid::regrole, member::regrole, admin_option from pg_auth_members where roleid = 'corpus_a'::regrole order by 2::text;
set role corpus_b;
select current_user, pg_has_role('corpus_a', 'usage');
reset role;
create table t (a int);
alter table t owner to corpus_a;
drop role corpus_a;
reassign owned by corpus_a to app;
drop owned by corpus_a;
drop role corpus_a, corpus_b;
drop role no_such_role;
drop role if exists no_such_role;
