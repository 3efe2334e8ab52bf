// Package prometheus holds tests only, of what docs has for Prometheus and Grafana: rules,
// alerts and the dashboard, by the promtool and the Prometheus that Debian has, the latter
// with a Portero that it scrapes.
package prometheus
