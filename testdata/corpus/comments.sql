create table t (a int);
comment on table t is 'it''s a table';
comment on column t.a is 'its column';
select obj_description('t'::regclass), col_description('t'::regclass, 1);
comment on table t is null;
select obj_description('t'::regclass);
comment on function no_such() is 'x';
comment on schema public is 'usual';
create function f() returns int language sql as 'select 1';
comment on function f() is 'a function';
select /* in the middle */ 1 -- at the end
;
/* /* nested */ */ select 2;
select 1 --
+ 1;
select 3 /* never closed;
