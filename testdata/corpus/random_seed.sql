begin;
select setseed(0.25);
create table one as select random() as r;
select setseed(0.25);
select random() = r from one;
rollback;
set seed = 0.25;
show seed;
select setseed(2);
