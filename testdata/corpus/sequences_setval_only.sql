create sequence s;
select setval('s', 42);
select currval('s');
select setval('s', 43, false);
select currval('s');
select lastval();
