-- user: postgres
create function tells() returns event_trigger language plpgsql as $$ begin raise notice '% %', tg_event, tg_tag; end $$;
create event trigger tells on ddl_command_start execute function tells();
create table t (a int);
create event trigger tells_end on ddl_command_end when tag in ('CREATE TABLE', 'DROP TABLE') execute function tells();
create table u (a int);
drop table u;
create function drops() returns event_trigger language plpgsql as $$ declare r record; begin for r in select * from pg_event_trigger_dropped_objects() loop raise notice 'dropped % %', r.object_type, r.object_identity; end loop; end $$;
create event trigger drops on sql_drop execute function drops();
drop table t;
alter event trigger tells disable;
create table v (a int);
drop event trigger tells;
drop event trigger tells_end;
drop event trigger drops;
