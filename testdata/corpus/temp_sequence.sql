create temp sequence s;
select nextval('s');
select nextval('s'), currval('s');
select lastval();
create temp table t (id serial, b text);
insert into t (b) values ('x') returning id;
insert into t (b) values ('y') returning id;
drop sequence s;
