select g, g::text, g::numeric / 3, g::float8 / 3, (g % 2 = 0), array[g], row(g), date '2020-01-01' + g from generate_series(1, 10) g;
select null::int, null::text, ''::text, ' '::text, E'\n'::text, E'\t'::text;
select '\x'::bytea, ''::bit varying, '{}'::int[], '{}'::json, '[]'::jsonb;
select 'NULL' as a, '"' as b, '\' as c, '''' as d;
select repeat('ü', 50), repeat('€', 50), '𝄞';
