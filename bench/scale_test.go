package main

import (
	"math"
	"strings"
	"testing"
)

func TestSlopesAreThoseOfOneLoop(t *testing.T) {
	r := madeUp()
	r.memory = []idleCost{
		{chain: pgbouncerName, fresh: 9}, {chain: porteroName, base: 20e6, fresh: 200, used: 300, kernel: 4000},
		{chain: porteroName, encrypted: true, fresh: 9000, used: 12000},
	}
	r.logins[entrance{porteroName, door{scram: true}}] = figures{cpu: 150}
	s := r.slopes()
	if s.base != 20e6 || s.idle != 300 || s.idleTLS != 12000 || s.kernel != 4000 || s.login[door{scram: true}] != 150 ||
		math.Abs(s.cpu-34.8) > 0.001 || s.clients != 1 || s.tps != 10256 {
		t.Errorf("got %+v", s)
	}
}

func TestWhatEndsFirst(t *testing.T) {
	s := slopes{base: 20e6, idle: 300, idleTLS: 100_000, kernel: 3700, cpu: 28}
	h := host{cores: 4, memory: 8e9, files: 65536}
	for _, c := range []struct {
		rate      float64
		encrypted bool
		what      string
		clients   float64
	}{
		{0.1, false, "descriptors", 48452},
		{10, false, "processors", 10000},
		{0.1, true, "descriptors", 48452},
	} {
		if got := tightest(s.bounds(h, c.rate, c.encrypted)); got.what != c.what || math.Abs(got.clients-c.clients) > 0.5 {
			t.Errorf("%v: %+v", c, got)
		}
	}
	h.files = 1 << 20
	if got := tightest(s.bounds(h, 0.1, true)); got.what != "memory" || math.Abs(got.clients-7980e6/103_700) > 0.5 {
		t.Errorf("with more descriptors: %+v", got)
	}
	if got := (bound{clients: 48452}).instances(100_000); got != 4 {
		t.Errorf("%d instances", got)
	}
}

func TestPageAboutScaleSaysWhatWasNotMeasured(t *testing.T) {
	text := slopes{cores: 2}.text()
	if !strings.Contains(text, "not measured") || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Error(text)
	}
	s := slopes{base: 20e6, idle: 300, idleTLS: 12000, kernel: 4000, cpu: 28, clients: 1, cores: 2, login: map[door]float64{{}: 100}}
	for _, want := range []string{" 50 MB |", " 2.80 |", "| trust, plain |", "| descriptors |         4 |", "| processors  |         2 |"} {
		if text := s.text(); !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
