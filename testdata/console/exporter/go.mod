module exporter

go 1.26

require github.com/prometheus-community/pgbouncer_exporter v0.12.1
