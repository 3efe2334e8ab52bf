package metrics

import "github.com/prometheus/client_golang/prometheus"

var candidateMetrics = []metric[CandidatesState]{
	gauge("candidate_pools", "Pools that no server has let in yet; they have no series of their own.", nil,
		func(s *CandidatesState) float64 { return float64(s.Pools) }),
	gauge("candidate_clients_waiting", "Clients that wait for a server in a pool that none has let in yet.", nil,
		func(s *CandidatesState) float64 { return float64(s.ClientsWaiting) }),
	gauge("candidate_max_wait_seconds", "How long the first of these clients has waited.", nil,
		func(s *CandidatesState) float64 { return s.MaxWait.Seconds() }),
}

var candidateErrorsDesc = describe("candidate_errors_total",
	"Errors given to clients, and logins to servers that failed, of pools that no server has let in, by reason.", "reason")

func describeCandidates(ch chan<- *prometheus.Desc) {
	for _, m := range candidateMetrics {
		ch <- m.desc
	}
	ch <- candidateErrorsDesc
}

func collectCandidates(ch chan<- prometheus.Metric, s CandidatesState) {
	for _, m := range candidateMetrics {
		m.send(ch, &s, nil)
	}
	sendReasons(ch, candidateErrorsDesc, s.Errors, true)
}
