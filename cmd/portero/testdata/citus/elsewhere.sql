-- Has the nodes of cluster main reach each other through Portero at portero.internal:5000.
-- To be run as superuser in database "app" on the leader of each group: Citus does not
-- copy this table from node to node; standbys have it from their leaders.
--   group 0: g0m0, 10.0.0.1:5432
--   group 1: g1m0, 10.0.0.1:5433
--   group 2: g2m0, 10.0.0.1:5434
BEGIN;
INSERT INTO pg_catalog.pg_dist_poolinfo (nodeid, poolinfo)
SELECT nodeid, 'host=portero.internal port=5000 dbname=app' FROM pg_catalog.pg_dist_node WHERE groupid = 0 AND noderole = 'primary'
ON CONFLICT (nodeid) DO UPDATE SET poolinfo = EXCLUDED.poolinfo;
INSERT INTO pg_catalog.pg_dist_poolinfo (nodeid, poolinfo)
SELECT nodeid, 'host=portero.internal port=5000 dbname=app_w1' FROM pg_catalog.pg_dist_node WHERE groupid = 1 AND noderole = 'primary'
ON CONFLICT (nodeid) DO UPDATE SET poolinfo = EXCLUDED.poolinfo;
INSERT INTO pg_catalog.pg_dist_poolinfo (nodeid, poolinfo)
SELECT nodeid, 'host=portero.internal port=5000 dbname=app_w2' FROM pg_catalog.pg_dist_node WHERE groupid = 2 AND noderole = 'primary'
ON CONFLICT (nodeid) DO UPDATE SET poolinfo = EXCLUDED.poolinfo;
COMMIT;
