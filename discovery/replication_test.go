package discovery

import (
	"reflect"
	"testing"
	"time"
)

func TestAsynchronousReplicationIsUndecidedWhereTheConfigurationDoesNotSpeakOfIt(t *testing.T) {
	tests := map[string]replication{
		``:                                     unknown,
		`{`:                                    unknown,
		`{"ttl":30}`:                           undecided,
		`{"synchronous_mode":null}`:            undecided, // how a PATCH takes it out
		`{"synchronous_mode":false}`:           asynchronous,
		`{"synchronous_mode":"off"}`:           asynchronous,
		`{"synchronous_mode":true}`:            synchronous,
		`{"synchronous_mode":"on"}`:            synchronous,
		`{"synchronous_mode":"Quorum"}`:        synchronous,
		`{"standby_cluster":{"host":"other"}}`: unknown,
		`{"synchronous_mode":true,"standby_cluster":{"host":"other"}}`:     unknown,
		`{"postgresql":{"parameters":{"synchronous_standby_names":"*"}}}`:  asynchronous, // as far as Patroni knows
		`{"postgresql":{"parameters":{"synchronous_standby_names":""}}}`:   undecided,
		`{"postgresql":{"parameters":{"max_connections":100}}}`:            undecided,
		`{"postgresql":"x","synchronous_mode":true,"loop_wait":"nothing"}`: synchronous,
	}
	for value, want := range tests {
		if got := parseConfig(value).replicas; got != want {
			t.Errorf("%s: %d, want %d", value, got, want)
		}
	}
}

func TestTheSyncKeyTellsWhoMayFollowTheLeader(t *testing.T) {
	tests := map[string]syncState{
		``:                                    {},
		`{`:                                   {},
		`{"leader":"m1","sync_standby":null}`: {leader: "m1"},
		`{"leader":"m1","sync_standby":"m2"}`: {leader: "m1", standbys: []string{"m2"}},
		`{"leader":"m1","sync_standby":"m2, m3","quorum":1}`: {leader: "m1", standbys: []string{"m2", "m3"}, quorum: 1},
	}
	for value, want := range tests {
		if got := parseSync(value); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", value, got, want)
		}
	}
	for leader, want := range map[string][]string{"m1": {"m2"}, "m2": nil, "": nil} {
		p := newPicture(map[string]string{keyLeader: leader, keySync: `{"leader":"m1","sync_standby":"m2"}`}, time.Unix(0, 0))
		if g := p.group(0, reign{}); !reflect.DeepEqual(g.SyncStandbys, want) {
			t.Errorf("while %q leads: %v, want %v", leader, g.SyncStandbys, want)
		}
	}
}
