\t on
\pset format unaligned
\o |md5sum
select i, repeat(md5(i::text), 5) from generate_series(1, 18000) i;
\o
\copy (select i, repeat(md5(i::text), 5) from generate_series(1, 18000) i) to program 'md5sum'
\set FETCH_COUNT 500
\o |md5sum
select i, repeat(md5(i::text), 5) from generate_series(1, 18000) i;
\o
\unset FETCH_COUNT
\t off
\pset format aligned
