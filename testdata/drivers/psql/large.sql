-- :rows is how many rows a large result has.
select greatest(:rows / 36, 2) as part \gset
\t on
\pset format unaligned
\o |md5sum
select i, repeat(md5(i::text), 5) from generate_series(1, :rows) i;
\o
copy (select i, repeat(md5(i::text), 5) from generate_series(1, :rows) i) to stdout \g |md5sum
\set FETCH_COUNT :part
\o |md5sum
select i, repeat(md5(i::text), 5) from generate_series(1, :rows) i;
\o
\unset FETCH_COUNT
\set ECHO none
\set value `printf 'große Parameter %.0s' $(seq :rows)`
select length(:'value');
\set ECHO queries
\t off
\pset format aligned
