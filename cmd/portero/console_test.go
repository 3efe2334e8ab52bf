package main

import (
	"reflect"
	"testing"
	"time"

	"portero/config"
	"portero/metrics"
)

func TestDatabasesAreThoseOfRoutesAndOfPools(t *testing.T) {
	cfg := config.Default()
	cfg.Clusters = []config.Cluster{{Name: "list", Hosts: []string{"10.0.0.1:5433", "10.0.0.2:5432"}}, {Name: "main", Scope: "demo"}}
	all := cfg.Routes[0]
	all.Cluster = "main"
	shop, again, small := all, all, all
	shop.Database, shop.DBName, shop.Cluster, shop.PoolSize = "shop", "shop_live", "list", 5
	again.Database, again.Role = "shop", "replica"
	small.Database, small.PoolMode, small.MinPoolSize = "small", "session", 2
	cfg.Routes = []config.Route{shop, again, small, all}
	pools := []metrics.PoolState{
		{Pool: metrics.NewPool(metrics.PoolLabels{Cluster: "main", Mode: "logical-replication", Database: "other"}, 1)},
		{Pool: metrics.NewPool(metrics.PoolLabels{Cluster: "main", Mode: "physical-replication", Database: "replication"}, 1)},
		{Pool: metrics.NewPool(metrics.PoolLabels{Cluster: "main", Mode: "transaction", Database: "other"}, 1), Size: 20},
		{Pool: metrics.NewPool(metrics.PoolLabels{Cluster: "list", Mode: "transaction", Database: "shop_live"}, 1), Name: "shop", Size: 5},
	}
	got := databases(cfg, pools)
	want := []metrics.DatabaseState{
		{Name: "shop", Host: "10.0.0.1,10.0.0.2", Port: 5433, Database: "shop_live", PoolSize: 5, ServerLifetime: time.Hour},
		{Name: "small", Host: "main", Database: "small", PoolSize: 20, MinPoolSize: 2, ServerLifetime: time.Hour, PoolMode: "session"},
		{Name: "other", Host: "main", Database: "other", PoolSize: 20, ServerLifetime: time.Hour},
		{Name: "replication", Host: "main", Database: "replication", PoolSize: 20, ServerLifetime: time.Hour, PoolMode: "session"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}
