select lo_from_bytea(5001, 'hello');
select convert_from(lo_get(5001), 'UTF8');
select lo_put(5001, 5, ' world');
select convert_from(lo_get(5001, 6, 5), 'UTF8');
select lo_create(5001);
select lo_get(5002);
begin; select lo_open(5001, 262144); select convert_from(loread(0, 5), 'UTF8'); commit;
select loread(0, 1);
select lo_unlink(5001);
