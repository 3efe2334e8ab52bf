package proxy

import "testing"

func FuzzStartup(f *testing.F) {
	f.Add(uint32(3<<16), []byte("user\x00app\x00database\x00db\x00options\x00-c a=b --c-d=e\\ f\x00\x00"))
	f.Add(uint32(3<<16|2), []byte("user\x00app\x00_pq_.x\x001\x00replication\x00false\x00\x00"))
	f.Add(uint32(2<<16), []byte("user"))
	f.Fuzz(func(t *testing.T, code uint32, body []byte) {
		s, e := readStartup(code, body)
		if e != nil {
			if e.Severity != "FATAL" || len(e.Code) != 5 || e.Message == "" {
				t.Fatalf("refused by %+v", e)
			}
			return
		}
		if s.user == "" || s.database == "" {
			t.Fatalf("accepted without user or database: %+v", s)
		}
		for name := range s.settings.All() {
			if !isParameterName(name) {
				t.Fatalf("parameter %q", name)
			}
		}
	})
}
