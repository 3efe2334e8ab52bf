create table t (a int);
create function sets() returns trigger language plpgsql as $$ begin perform set_config('app.v', 'by a trigger', false); return new; end $$;
create trigger sets before insert on t for each row execute function sets();
insert into t values (1);
show app.v;
