//go:build tools

// Package exporter is a module of its own for the exporter that a test runs.
package exporter

import _ "github.com/prometheus-community/pgbouncer_exporter"
