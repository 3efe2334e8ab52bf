package config

import (
	"strings"
	"testing"
)

func TestChecksOfOthersAddToTheReport(t *testing.T) {
	inFolder(t)
	write(t, "proxy.toml", "loops = 0\n[pool]\npool_size = 5\npool_mode = 1\n[auth]\nusers = 'absent'\n")
	asked := 0
	_, err := Load("proxy.toml", func(cfg *Config, r *Report) {
		asked++
		r.File("b", 9, "second")
		r.File("a", 3, "third of %d", 3)
		r.Key("pool.pool_size", "too %s", "small")
		r.Key("pool.pool_mode", "is not told: it could not be read")
		r.Key("auth.users", "cannot read absent: no such file or directory") // told once
		if cfg.Pool.PoolSize != 5 || !r.Unread("pool.pool_mode") || r.Unread("pool.pool_size") {
			t.Errorf("the check sees %+v", cfg.Pool)
		}
	})
	want := `proxy.toml:1: loops: must be "auto" or a whole number from 1 to 1024
proxy.toml:3: pool.pool_size: too small
proxy.toml:4: pool.pool_mode: must be a string, not a whole number
proxy.toml:6: auth.users: cannot read absent: no such file or directory
b:9: second
a:3: third of 3`
	if err == nil || err.Error() != want || asked != 1 {
		t.Errorf("asked %d times; got:\n%v\nwant:\n%s", asked, err, want)
	}
	if _, err := loadText(t, "loops ="); err == nil || strings.Contains(err.Error(), "absent") {
		t.Errorf("of what is no TOML: %v", err)
	}
	r := NewReport()
	if r.Err() != nil {
		t.Error("an empty report is an error")
	}
	if r.Key("auth.users", "must be given"); r.Err() == nil || r.Err().Error() != "configuration: auth.users: must be given" {
		t.Errorf("without a file: %v", r.Err())
	}
}
