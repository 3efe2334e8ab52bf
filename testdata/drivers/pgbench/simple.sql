\set k random(1, 10)
SELECT 1 / (current_setting('work_mem') = :memory::int || 'kB')::int AS mine;
UPDATE counted SET v = v + 1 WHERE i = :k;
SELECT v FROM counted WHERE i = :k;
