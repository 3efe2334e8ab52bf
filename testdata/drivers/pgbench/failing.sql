\set k random(1, 10)
BEGIN;
UPDATE counted SET v = v + 1 WHERE i = :k;
DO $$ BEGIN RAISE serialization_failure; END $$;
COMMIT;
