create sequence s;
select nextval('s');
select currval('s');
select lastval();
create table t (id bigserial, a text);
insert into t (a) values ('x');
select currval('t_id_seq'), lastval();
select currval(pg_get_serial_sequence('t', 'id'));
