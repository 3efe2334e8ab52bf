// Package metrics counts what Portero does and hands the counts to Prometheus.
//
// It never decides, logs or listens, and imports nothing else of Portero: the
// parts that do the work add to counters here, and whoever wants the numbers
// (the Prometheus collector, the status page, the console) adds them up.
//
// Two invariants hold it together. Counting never costs the hot path more than
// one uncontended atomic add, or two for a histogram: a pool, or a route, has one
// shard per event loop, and no two shards share a cache line. Adding up happens only
// when somebody asks: a scrape is one pass over the pools, groups and routes there are
// at that moment, so that a pool that is gone leaves no series behind.
package metrics
