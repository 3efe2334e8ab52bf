select length(repeat('x', 300000));
select repeat('0123456789', 5000);
select array_agg(g) from generate_series(1, 3000) g;
select g, repeat(g::text, 100) from generate_series(1, 200) g;
do $$ begin raise notice '%', repeat('n', 20000); end $$;
do $$ begin raise exception '%', repeat('e', 20000); end $$;
select 'behind it';
