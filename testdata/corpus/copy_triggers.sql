create table t (a int);
create function noisy() returns trigger language plpgsql as $$ begin raise notice 'row %', new.a; return case when new.a > 2 then null else new end; end $$;
create trigger noisy before insert on t for each row execute function noisy();
copy t from stdin;
< 1
< 2
< 3
select * from t;
create view v as select a from t;
create function via() returns trigger language plpgsql as $$ begin insert into t values (new.a - 10); return new; end $$;
create trigger via instead of insert on v for each row execute function via();
copy v from stdin;
< 11
select * from t;
copy v to stdout;
copy (select * from v) to stdout;
