//go:build tools

// Package exporter pins the exporter that a test builds and runs before Portero.
package exporter

import _ "github.com/prometheus-community/pgbouncer_exporter"
