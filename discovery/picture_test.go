package discovery

import (
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestKeysAreSplitAsPatroniJoinsThem(t *testing.T) {
	plain := newLayout("/service/", "/demo", false)
	citus := newLayout("", "demo", true)
	tests := []struct {
		layout layout
		key    string
		group  int
		name   string
		ok     bool
	}{
		{plain, "/service/demo/leader", 0, "leader", true},
		{plain, "/service/demo/members/m1", 0, "members/m1", true},
		{plain, "/service/demo/0/leader", 0, "0/leader", true}, // no key of ours has this name
		{plain, "/service/demo", 0, "", false},
		{plain, "/service/demo/", 0, "", false},
		{plain, "/service/demo2/leader", 0, "", false},
		{citus, "/service/demo/0/leader", 0, "leader", true},
		{citus, "/service/demo/12/members/m1", 12, "members/m1", true},
		{citus, "/service/demo/leader", 0, "", false},
		{citus, "/service/demo/01/leader", 0, "", false},
		{citus, "/service/demo/-1/leader", 0, "", false},
		{citus, "/service/demo/+1/leader", 0, "", false},
		{citus, "/service/demo/1/", 0, "", false},
		{citus, "/service/demo/99999999999999999999/leader", 0, "", false},
	}
	for _, test := range tests {
		group, name, ok := test.layout.split(test.key)
		if ok != test.ok || ok && (group != test.group || name != test.name) {
			t.Errorf("%s (citus %v): got %d %q %v", test.key, test.layout.citus, group, name, ok)
		}
	}
	for _, namespace := range []string{"service", "/service", "//service//", ""} {
		if l := newLayout(namespace, "demo", false); l.base != "/service/demo/" {
			t.Errorf("namespace %q: base %q", namespace, l.base)
		}
	}
}

func TestMembersAreReadAsPatroniWritesThem(t *testing.T) {
	tests := []struct {
		about, value string
		want         Member
		position     int64
	}{
		{
			"Patroni 4 primary",
			`{"conn_url":"postgres://10.0.0.1:5432/postgres","api_url":"http://10.0.0.1:8008/patroni","state":"running","role":"primary","version":"4.1.4","tags":{"noloadbalance":true},"xlog_location":67395656,"timeline":3}`,
			Member{Address: "10.0.0.1:5432", State: "running", Role: "primary", Timeline: 3, Tags: map[string]any{"noloadbalance": true}, REST: "http://10.0.0.1:8008"},
			67395656,
		},
		{"Patroni 3 primary", `{"role":"master"}`, Member{Role: "primary"}, 0},
		{
			"Patroni 4 replica",
			`{"conn_url":"postgres://db-2:5433/postgres","state":"running","role":"replica","xlog_location":900,"receive_lsn":900,"replay_lsn":800,"replication_state":"streaming","timeline":3}`,
			Member{Address: "db-2:5433", State: "running", Role: "replica", Timeline: 3},
			800,
		},
		{"not JSON", `{"role":"primary"`, Member{}, 0},
		{"JSON of another kind", `["primary"]`, Member{}, 0},
		{"null", `null`, Member{}, 0},
		{"empty", ``, Member{}, 0},
		{"one odd field", `{"role":"replica","timeline":{},"tags":[],"xlog_location":"17"}`, Member{Role: "replica"}, 17},
		{"Governor's URL", `postgres://u:p@10.0.0.1:5432/postgres?application_name=http://10.0.0.1:8008/patroni`, Member{Address: "10.0.0.1:5432"}, 0},
		{"a secured REST interface", `{"api_url":"https://[fd00::1]:8008/patroni"}`, Member{REST: "https://[fd00::1]:8008"}, 0},
		{"one without port", `{"api_url":"http://db-2/patroni"}`, Member{}, 0},
		{"one of another kind", `{"api_url":"unix://db-2:8008/patroni"}`, Member{}, 0},
		{"one that is no URL", `{"api_url":":8008"}`, Member{}, 0},
		{"conn_kwargs", `{"conn_kwargs":{"host":"10.0.0.3","port":"5433"}}`, Member{Address: "10.0.0.3:5433"}, 0},
	}
	for _, test := range tests {
		got, position := parseMember("m", test.value)
		test.want.Name, test.want.Lag, test.want.Host = "m", -1, got.Host
		if !reflect.DeepEqual(got, test.want) || position != test.position {
			t.Errorf("%s:\n got %+v at %d\nwant %+v at %d", test.about, got, position, test.want, test.position)
		}
	}
}

func TestAMembersHostAndZoneAreItsTagsOrItsAddress(t *testing.T) {
	tests := []struct{ value, host, zone string }{
		{`{"conn_url":"postgres://db-2:5433/postgres"}`, "db-2", ""},
		{`{"conn_url":"postgres://[fd00::1]:5433/postgres"}`, "fd00::1", ""},
		{`{"conn_url":"postgres://10.0.0.1/postgres","tags":{"host":"server-1","zone":"north"}}`, "server-1", "north"},
		{`{"conn_url":"postgres://10.0.0.1/postgres","tags":{"host":" ","zone":3}}`, "10.0.0.1", "3"},
		{`{"conn_url":"postgres://10.0.0.1/postgres","tags":{"host":["a"],"zone":true}}`, "10.0.0.1", ""},
		{`{"tags":{"zone":"north"}}`, "", "north"},
		{`{`, "", ""},
	}
	for _, test := range tests {
		if m, _ := parseMember("m", test.value); m.Host != test.host || m.Zone != test.zone {
			t.Errorf("%s: host %q, zone %q; want %q, %q", test.value, m.Host, m.Zone, test.host, test.zone)
		}
	}
}

func TestHostAndPortAreTakenOutOfConnURL(t *testing.T) {
	tests := map[string]string{
		"postgres://10.0.0.1:5432/postgres":       "10.0.0.1:5432",
		"postgresql://db.example:6000/postgres":   "db.example:6000",
		"postgres://10.0.0.1/postgres":            "10.0.0.1:5432",
		"postgres://10.0.0.1":                     "10.0.0.1:5432",
		"postgres://[fd00::1]:5433/postgres":      "[fd00::1]:5433",
		"postgres://[fd00::1]/postgres":           "[fd00::1]:5432",
		"postgres://u:p%zz@w@10.0.0.1:1/postgres": "10.0.0.1:1",
		"postgres://u@[::1]:5433":                 "[::1]:5433",
		"postgres://10.0.0.1:5432?x=a@b:1":        "10.0.0.1:5432",
		"postgres://fd00::1/postgres":             "",
		"postgres://:5432/postgres":               "",
		"postgres://h:99999/":                     "",
		"postgres://h:p/":                         "",
		"postgres://[::1:5432/":                   "",
		"postgres":                                "",
		"":                                        "",
	}
	for url, want := range tests {
		if got := hostPort(url); got != want {
			t.Errorf("%s: got %q, want %q", url, got, want)
		}
	}
}

func TestOnlyASwitchoverThatIsDueIsAnnounced(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		value, leader string
		want          *Switchover
	}{
		{`{"leader":"m1","member":"m2"}`, "m1", &Switchover{From: "m1", To: "m2"}},
		{`{"leader":"m1","member":"m2"}`, "", &Switchover{From: "m1", To: "m2"}},
		{`{"leader":"m1","member":"m2"}`, "m2", nil},
		{`{"leader":"m1","member":""}`, "m3", nil},
		{`{"leader":"m1"}`, "m1", &Switchover{From: "m1", To: ""}},
		{`{"member":"m2"}`, "m1", &Switchover{From: "", To: "m2"}},
		{`{}`, "m1", nil},
		{``, "m1", nil},
		{`[]`, "m1", nil},
		{`m1:m2`, "m1", &Switchover{From: "m1", To: "m2"}},
		{`m1: `, "m1", &Switchover{From: "m1", To: ""}},
		{`:m2`, "m1", &Switchover{From: "", To: "m2"}},
		{`{"leader":"m1","scheduled_at":"2026-08-01T12:00:01+00:00"}`, "m1", nil},
		{`{"leader":"m1","scheduled_at":"2026-08-01T14:00:00.123456+02:00"}`, "m1", nil},
		{`{"leader":"m1","scheduled_at":"2026-08-01T14:00:00+02:00"}`, "m1", &Switchover{From: "m1", To: ""}},
		{`{"leader":"m1","scheduled_at":"2026-08-01 11:59:59+00:00"}`, "m1", &Switchover{From: "m1", To: ""}},
		{`{"leader":"m1","scheduled_at":"tomorrow"}`, "m1", nil},
		{`{"leader":"m1","scheduled_at":null}`, "m1", &Switchover{From: "m1", To: ""}},
	}
	for _, test := range tests {
		got := newPicture(map[string]string{keyFailover: test.value, keyLeader: test.leader}, now).announced
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s under %q: got %v, want %v", test.value, test.leader, got, test.want)
		}
	}
}

func TestHistoryTellsTheTimelineAfterTheLastThatEnded(t *testing.T) {
	tests := map[string]int64{
		`[[1,25623960,"no recovery target specified","2026-01-01T10:00:00+00:00","m2"]]`: 2,
		`[[1,1,"x"],[2,2,"x"],[7,3,"x"]]`:                                                8,
		`[]`:                                                                             0, ``: 0, `[[]]`: 0, `[["x"]]`: 0, `{}`: 0, `[1]`: 0, `[[9223372036854775807]]`: 0, `[[-4]]`: 0,
	}
	for value, want := range tests {
		if got := parseHistory(value).newest; got != want {
			t.Errorf("%s: got %d, want %d", value, got, want)
		}
	}
}

func TestHistoryTellsWhereTimelinesEnded(t *testing.T) {
	tests := map[string]map[int64]uint64{
		`[[1,25623960,"no recovery target specified","2026-01-01T10:00:00+00:00","m2"],[2,25624000,"x"]]`: {1: 25623960, 2: 25624000},
		`[[1],[2,"x"],[3,0],[-4,5],[7,9]]`: {7: 9},
		`[[1]]`:                            nil, ``: nil, `{}`: nil,
	}
	for value, want := range tests {
		if got := parseHistory(value).ends; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", value, got, want)
		}
	}
}

func TestConfigTellsPauseStandbyClusterAndLease(t *testing.T) {
	tests := map[string]groupConfig{
		`{"ttl":30}`:                                    {},
		`{"pause":true}`:                                {paused: true},
		`{"pause":"on"}`:                                {paused: true},
		`{"pause":false,"standby_cluster":{}}`:          {},
		`{"standby_cluster":null}`:                      {},
		`{"standby_cluster":{"host":""}}`:               {},
		`{"standby_cluster":{"host":"10.0.0.9"}}`:       {standby: true},
		`{"standby_cluster":{"restore_command":"cp"}}`:  {standby: true},
		`{"standby_cluster":{"primary_slot_name":"s"}}`: {},
		`{"standby_cluster":"x","pause":1}`:             {paused: true},
		`{`:                                             {},

		`{"ttl":30,"loop_wait":10,"retry_timeout":10}`: {lease: 20 * time.Second},
		`{"ttl":"30","loop_wait":"5"}`:                 {lease: 25 * time.Second},
		`{"loop_wait":10}`:                             {},
		`{"ttl":10,"loop_wait":10}`:                    {},
		`{"ttl":9223372036854775807,"loop_wait":10}`:   {},
		`{"ttl":{},"loop_wait":10,"pause":true}`:       {paused: true},
	}
	for value, want := range tests {
		got := parseConfig(value)
		want.replicas = got.replicas // has a test of its own
		if got != want {
			t.Errorf("%s: got %+v, want %+v", value, got, want)
		}
	}
}

func TestLagIsTheLeadersPositionLessTheReplicas(t *testing.T) {
	members := map[string]string{
		keyLeader:      "m1",
		"members/m1":   `{"xlog_location":1000}`,
		"members/m2":   `{"xlog_location":950,"replay_lsn":900}`,
		"members/m3":   `{"xlog_location":1200}`,
		"members/m4":   `{"state":"stopped"}`,
		"members/a/b":  `{}`,
		"members/":     `{}`,
		"optime/leder": `1`,
	}
	for about, status := range map[string][2]string{
		"status":              {keyStatus, `{"optime":1000,"slots":{"m2":900}}`},
		"status, as a string": {keyStatus, `{"optime":"1000"}`},
		"status, bare":        {keyStatus, `1000`},
		"optime/leader":       {keyOptime, `1000`},
	} {
		members[status[0]] = status[1]
		var got []int64
		for _, m := range newPicture(members, time.Time{}).members {
			got = append(got, m.Lag)
		}
		if want := []int64{0, 100, 0, -1}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", about, got, want)
		}
		delete(members, status[0])
	}
}

func TestACitusClusterIsSeenByGroups(t *testing.T) {
	got := pictures(newLayout("/service", "demo", true), map[string]string{
		"/service/demo/0/leader":     "c1",
		"/service/demo/0/initialize": "71",
		"/service/demo/1/leader":     "w1",
		"/service/demo/1/members/w1": `{"role":"standby_leader"}`,
		"/service/demo/2/members/w2": `{}`,
		"/service/demo/leader":       "nobody",
	}, time.Time{})
	if len(got) != 3 || got[0].leader != "c1" || got[0].system != "71" || got[1].leader != "w1" || !got[1].standby || got[2].leader != "" {
		t.Errorf("got %+v", got)
	}
}

func TestAPlainClusterWithoutKeysHasAnEmptyGroup(t *testing.T) {
	known := newPatroni()
	known.follow(pictures(newLayout("", "demo", false), nil, time.Time{}), time.Now())
	if g := known.groups()[0]; g == nil || g.Leader != "" || g.Epoch != 0 {
		t.Errorf("got %+v", g)
	}
}

// FuzzPictures folds any keys: no panic, members sorted and fit to be dialled,
// and the same keys always give the same picture.
func FuzzPictures(f *testing.F) {
	f.Add("members/m1", `{"conn_url":"postgres://[::1]:5432/","role":"master","timeline":3,"tags":{"a":1}}`, "history", `[[1,2,"x"]]`, true)
	f.Add("failover", "m1:m2", "config", `{"standby_cluster":{"host":"x"},"pause":true}`, false)
	f.Add("status", `{"optime":5}`, "members/m2", `postgres://u:p@h:1/x`, false)
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string, citus bool) {
		l := newLayout("/service", "demo", citus)
		base := l.base
		if citus {
			base += "1/"
		}
		keys := map[string]string{base + name1: value1, base + name2: value2, base + "leader": "m1"}
		now := time.Unix(1_800_000_000, 0)
		first := pictures(l, keys, now)
		if !reflect.DeepEqual(first, pictures(l, keys, now)) {
			t.Fatal("the same keys gave another picture")
		}
		for _, p := range first {
			checkMembers(t, p.members)
		}
		known := newPatroni()
		known.follow(first, time.Now())
		known.follow(first, time.Now())
		for _, g := range known.groups() {
			if g.Epoch > 1 {
				t.Fatalf("the same keys moved the epoch: %+v", g)
			}
		}
	})
}

func checkMembers(t *testing.T, members []Member) {
	t.Helper()
	for i, m := range members {
		if i > 0 && members[i-1].Name >= m.Name {
			t.Fatalf("not sorted: %q, %q", members[i-1].Name, m.Name)
		}
		if m.Role == roleMaster || m.Lag < -1 || strings.Contains(m.Name, "/") {
			t.Fatalf("member %+v", m)
		}
		if _, _, err := net.SplitHostPort(m.Address); m.Address != "" && err != nil {
			t.Fatalf("address %q: %v", m.Address, err)
		}
	}
}

// Patroni leaves the position out while it stops PostgreSQL.
func TestAMemberIsLocatedWhileItsKeyTellsAPosition(t *testing.T) {
	p := newPicture(map[string]string{
		"leader":      "m1",
		"members/m1":  `{"conn_url":"postgres://10.0.0.1/postgres","state":"running","role":"master","timeline":3}`,
		"members/m2":  `{"conn_url":"postgres://10.0.0.2/postgres","state":"running","role":"replica","xlog_location":67395656}`,
		"members/m3":  `{"conn_url":"postgres://10.0.0.3/postgres","state":"running","role":"replica","replay_lsn":"67395656"}`,
		"members/odd": `{`,
	}, time.Time{})
	for _, m := range p.members {
		if want := m.Name == "m2" || m.Name == "m3"; m.Located != want {
			t.Errorf("%s is located: %v", m.Name, m.Located)
		}
	}
}
