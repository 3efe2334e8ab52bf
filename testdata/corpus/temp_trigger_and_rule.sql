create table log (a int);
create temp table t (a int);
create function pg_temp.f() returns trigger language plpgsql as $$ begin insert into public.log values (new.a); return new; end $$;
create trigger tr after insert on t for each row execute function pg_temp.f();
insert into t values (1);
select * from log;
create rule r as on delete to t do instead nothing;
delete from t;
select count(*) from t;
