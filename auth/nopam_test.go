//go:build !pam

package auth

import (
	"strings"
	"testing"

	"portero/config"
)

func TestWithoutPAMTheMethodIsAFaultThatSaysSo(t *testing.T) {
	const want = `authentication method "pam" is not in this portero, which was built without C: go build -tags pam has it`
	if _, faults := readHBA("host all all all pam", nil); len(faults) != 1 || faults[0] != "pg_hba.conf:1: "+want {
		t.Errorf("%v", faults)
	}
	cfg := config.Default()
	cfg.Auth.Method = "pam"
	r := config.NewReport()
	Load(cfg, r)
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "auth.method: "+want) {
		t.Errorf("%v", err)
	}
}
