\set k random(1, 10)
BEGIN;
SET LOCAL work_mem = '64kB';
SELECT v FROM counted WHERE i = :k FOR UPDATE \gset
UPDATE counted SET v = :v + 1 WHERE i = :k;
END;
SELECT 1 / (current_setting('work_mem') = :memory::int || 'kB')::int AS mine;
