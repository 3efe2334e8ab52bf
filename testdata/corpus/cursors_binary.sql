begin;
declare c binary cursor for select 1::int4, 'text'::text, 1.5::float8, null::int2;
fetch 1 from c;
close c;
declare c binary cursor for select '{1,2}'::int[], true, '\x0102'::bytea;
fetch 1 from c;
commit;
