package config

import "testing"

// A setting of the console is of no variable, even where there is one that it has replaced.
func TestOriginsTellTheConsoleFromTheEnvironment(t *testing.T) {
	over := []string{"PORTERO_POOL_SIZE=3"}
	environ := Override([]string{"PORTERO_POOL_SIZE=2", "PORTERO_MIN_POOL_SIZE=1"}, over)
	var o *Origins
	text := "[pool]\nquery_timeout = \"1m\"\n[[listener]]\n[[cluster]]\nname = \"one\"\nhosts = [\"127.0.0.1:5432\"]\n[[route]]\n[auth]\nmethod = \"trust\"\nusers = \"\"\n"
	if _, _, err := Parse("proxy.toml", text, environ, func(_ *Config, r *Report) { o = r.Origins(over) }); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"pool.pool_size": "SET on the console", "pool.min_pool_size": "PORTERO_MIN_POOL_SIZE", "pool.query_timeout": "proxy.toml:2", "pool.max_client_conn": "",
	} {
		if got := o.Of(key); got != want {
			t.Errorf("%s is said to come from %q, and comes from %q", key, got, want)
		}
	}
}
