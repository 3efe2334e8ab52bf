package metrics

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry returns a registry with Portero's own metrics from c, those of the
// process and of the Go runtime, and portero_build_info with the version given.
// A registry of its own, and not the library's default one, so that nothing a
// dependency registers ends up in it.
func NewRegistry(version string, c *Collector) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		c,
		buildInfo(version),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

func buildInfo(version string) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "portero_build_info",
		Help:        "Always 1; the labels say which Portero this is.",
		ConstLabels: prometheus.Labels{"version": Label(version), "goversion": runtime.Version()},
	})
	info.Set(1)
	return info
}
