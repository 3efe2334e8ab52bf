create extension hstore;
select 'a=>1, b=>2'::hstore -> 'a', hstore('x', 'y') || 'z=>1'::hstore;
create extension citext;
select 'abc'::citext = 'ABC';
create extension adminpack;
create extension no_such;
drop extension hstore, citext;
