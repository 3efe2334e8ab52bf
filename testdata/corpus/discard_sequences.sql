create sequence s;
select nextval('s');
select currval('s');
discard sequences;
select currval('s');
select lastval();
select nextval('s');
