-- Has the nodes of cluster main reach each other through Portero at 127.0.0.1:6432.
-- To be run as superuser in database "app" on the leader of each group: Citus does not
-- copy this table from node to node; standbys have it from their leaders.
--   group 0: g0m0, 10.0.0.1:5432
--   group 1: g1m0, 10.0.0.1:5433
--   group 2 has no leader now
-- 127.0.0.1 is each node's own host: there must be a Portero on each. Else give --host.
BEGIN;
INSERT INTO pg_catalog.pg_dist_poolinfo (nodeid, poolinfo)
SELECT nodeid, 'host=127.0.0.1 port=6432 dbname=app' FROM pg_catalog.pg_dist_node WHERE groupid = 0 AND noderole = 'primary'
ON CONFLICT (nodeid) DO UPDATE SET poolinfo = EXCLUDED.poolinfo;
INSERT INTO pg_catalog.pg_dist_poolinfo (nodeid, poolinfo)
SELECT nodeid, 'host=127.0.0.1 port=6432 dbname=app_w1' FROM pg_catalog.pg_dist_node WHERE groupid = 1 AND noderole = 'primary'
ON CONFLICT (nodeid) DO UPDATE SET poolinfo = EXCLUDED.poolinfo;
INSERT INTO pg_catalog.pg_dist_poolinfo (nodeid, poolinfo)
SELECT nodeid, 'host=127.0.0.1 port=6432 dbname=app_w2' FROM pg_catalog.pg_dist_node WHERE groupid = 2 AND noderole = 'primary'
ON CONFLICT (nodeid) DO UPDATE SET poolinfo = EXCLUDED.poolinfo;
COMMIT;
