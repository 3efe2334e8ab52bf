package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	clientsDesc     = describe("clients", "Clients connected now, idle ones included.")
	limitDesc       = describe("clients_limit", "Most clients at once, logged in or not: max_client_conn, or fewer if the limit of open files has no room for them.")
	serversDesc     = describe("servers_limit", "Most servers at once in all pools together: what clients and the rest leave of the limit of open files.")
	acceptedDesc    = describe("clients_accepted_total", "Clients whose socket was accepted.")
	loginsDesc      = describe("logins_in_flight", "Clients that are logging in now.")
	refusedDesc     = describe("clients_refused_total", "Clients turned away before they were logged in, by reason.", "reason")
	endedDesc       = describe("clients_ended_total", "Logged-in clients that ended, by reason.", "reason")
	panicsDesc      = describe("panics_total", "Panics caught. Each is a bug, and is in the log.")
	endingDesc      = describe("shutting_down", "1 once the process has been told to end: /readyz says no, and clients leave, behind TERM after shutdown_delay.")
	reloadsDesc     = describe("config_reloads_total", "Reloads of the configuration, by what became of them: applied, or failed, which changed nothing.", "result")
	reloadOKDesc    = describe("config_last_reload_successful", "1 unless the last reload failed.")
	loadedAtDesc    = describe("config_loaded_timestamp_seconds", "When the configuration in force was put in force.")
	loopBusyDesc    = describe("loop_busy_ratio", "Share of a processor that an event loop used in the last second, from 0 to 1.", "loop")
	loopClientsDesc = describe("loop_clients", "Clients that an event loop serves, idle ones included.", "loop")
	loopMovedDesc   = describe("loop_clients_moved_total", "Clients that went from an event loop to another, as one was busy, or both have work for one only.", "loop")
	logLostDesc     = describe("log_lines_lost_total", "Lines of the log that its reader was too slow to take, or not there to take.")
)

func describeProcess(ch chan<- *prometheus.Desc) {
	ch <- clientsDesc
	ch <- limitDesc
	ch <- serversDesc
	ch <- acceptedDesc
	ch <- loginsDesc
	ch <- refusedDesc
	ch <- endedDesc
	ch <- panicsDesc
	ch <- logLostDesc
	ch <- loopBusyDesc
	ch <- loopClientsDesc
	ch <- loopMovedDesc
	ch <- endingDesc
	ch <- reloadsDesc
	ch <- reloadOKDesc
	ch <- loadedAtDesc
}

func collectProcess(ch chan<- prometheus.Metric, p *Process, clients int) {
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, v float64) {
		ch <- prometheus.MustNewConstMetric(desc, kind, v)
	}
	send(clientsDesc, prometheus.GaugeValue, float64(clients))
	send(limitDesc, prometheus.GaugeValue, float64(p.ClientsLimit.Load()))
	send(serversDesc, prometheus.GaugeValue, float64(p.ServersLimit.Load()))
	send(acceptedDesc, prometheus.CounterValue, float64(p.ClientsAccepted.Load()))
	send(loginsDesc, prometheus.GaugeValue, float64(p.LoginsInFlight.Load()))
	send(panicsDesc, prometheus.CounterValue, float64(p.Panics.Load()))
	send(logLostDesc, prometheus.CounterValue, float64(p.LogLinesLost.Load()))
	send(endingDesc, prometheus.GaugeValue, toFloat(p.ShuttingDown.Load()))
	send(reloadOKDesc, prometheus.GaugeValue, toFloat(!p.ReloadFailed.Load()))
	send(loadedAtDesc, prometheus.GaugeValue, float64(p.LoadedAt.Load()))
	ch <- prometheus.MustNewConstMetric(reloadsDesc, prometheus.CounterValue, float64(p.Reloads.Load()), "applied")
	ch <- prometheus.MustNewConstMetric(reloadsDesc, prometheus.CounterValue, float64(p.ReloadsFailed.Load()), "failed")
	for i := range p.Loops {
		l, id := &p.Loops[i], strconv.Itoa(i)
		ch <- prometheus.MustNewConstMetric(loopBusyDesc, prometheus.GaugeValue, l.Busy(), id)
		ch <- prometheus.MustNewConstMetric(loopClientsDesc, prometheus.GaugeValue, float64(l.Clients.Load()), id)
		ch <- prometheus.MustNewConstMetric(loopMovedDesc, prometheus.CounterValue, float64(l.Moved.Load()), id)
	}
	sendReasons(ch, refusedDesc, p.Refused(), true)
	sendReasons(ch, endedDesc, p.Ended(), true)
}

// sendReasons sends one counter per reason. With zeros, reasons that have not
// occurred are sent too, so that rate() sees their first time; None is not a
// reason, and is sent only if somebody counted it.
func sendReasons(ch chan<- prometheus.Metric, desc *prometheus.Desc, counts ReasonCounts, zeros bool, labels ...string) {
	for r, n := range counts {
		if n == 0 && (!zeros || Reason(r) == None) {
			continue
		}
		values := append(labels[:len(labels):len(labels)], Reason(r).String())
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), values...)
	}
}
