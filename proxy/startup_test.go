package proxy

import (
	"slices"
	"strings"
	"testing"

	"portero/session"
)

func TestStartupOptions(t *testing.T) {
	cases := []struct {
		options string
		want    string // settings, or the SQLSTATE that refuses them
	}{
		{"", ""},
		{"-c a=b", "a=b"}, {"-ca=b", "a=b"}, {"--a=b", "a=b"}, {"--a-b=c", "a_b=c"}, {"-c a-b=c", "a_b=c"},
		{"  -c   a=b\t--c=d\n", "a=b c=d"}, {"-c a=b -c a=c", "a=c"},
		{`-c a=b\ c`, "a=b c"}, {`-c a=b\\c`, `a=b\c`}, {`-c a=\-\-`, "a=--"}, {`-c a=b\`, "a=b"}, {`-c\ a=b`, "42704"},
		{"-c a=", "a="}, {"-c a=b=c", "a=b=c"}, {"-c A.b=C", "a.b=C"},
		{"--", ""}, {"-c a=b --", "a=b"}, {"-c", "42601"}, {"-c a", "42601"}, {"--a", "42601"}, {"-d 5", "0A000"}, {"a=b", "42601"}, {`\`, "42601"},
		{"-c =b", "42704"}, {"-c a;b=c", "42704"}, {"--=", "42704"}, {"-c " + strings.Repeat("x", 129) + "=1", "42704"},
	}
	for _, c := range cases {
		s, e := readStartup(3<<16, []byte("user\x00app\x00options\x00"+c.options+"\x00\x00"))
		got := settingsText(s.settings)
		if e == nil {
			e = s.refusal
		}
		if e != nil {
			got = e.Code
		}
		if got != c.want {
			t.Errorf("options %q: %q, not %q", c.options, got, c.want)
		}
	}
}

func TestStartupMessages(t *testing.T) {
	cases := []struct {
		code uint32
		body string
		want string
	}{
		{3 << 16, "user\x00app\x00\x00", "app@app"},
		{3 << 16, "user\x00app\x00database\x00\x00\x00", "app@app"},
		{3 << 16, "database\x00shop\x00user\x00app\x00\x00", "app@shop"},
		{3 << 16, "user\x00app\x00application_name\x00till\x00DateStyle\x00German\x00\x00", "app@app application_name=till datestyle=German"},
		{3 << 16, "user\x00app\x00application_name\x00a\x00options\x00-c application_name=b\x00\x00", "app@app application_name=a"},
		{3<<16 | 2, "user\x00app\x00_pq_.x\x001\x00_pq_.y\x00\x00\x00", "app@app unknown _pq_.x _pq_.y"},
		{3 << 16, "user\x00app\x00replication\x00off\x00\x00", "app@app"},
		{3 << 16, "user\x00app\x00replication\x00F\x00\x00", "app@app"},
		{3 << 16, "user\x00app\x00replication\x00of\x00\x00", "app@app"},
		{3 << 16, "user\x00app\x00replication\x00true\x00\x00", "app@app physical-replication"},
		{3 << 16, "user\x00app\x00replication\x00Y\x00\x00", "app@app physical-replication"},
		{3 << 16, "user\x00app\x00replication\x00on\x00\x00", "app@app physical-replication"},
		{3 << 16, "user\x00app\x00replication\x001\x00\x00", "app@app physical-replication"},
		{3 << 16, "user\x00app\x00replication\x00database\x00\x00", "app@app logical-replication"},
		{3 << 16, "user\x00app\x00replication\x00Database\x00\x00", "FATAL 22023"},
		{3 << 16, "user\x00app\x00replication\x00o\x00\x00", "FATAL 22023"},
		{3 << 16, "user\x00app\x00replication\x00\x00\x00", "FATAL 22023"},
		{3 << 16, "database\x00app\x00\x00", "FATAL 28000"},
		{3 << 16, "user\x00\x00\x00", "FATAL 28000"},
		{3 << 16, "", "FATAL 08P01"},
		{3 << 16, "user\x00app\x00", "FATAL 08P01"},
		{3 << 16, "user\x00app\x00\x00x", "FATAL 08P01"},
		{3 << 16, "user\x00app\x00a\x00\x00\x00\x00", "FATAL 08P01"},
		{3 << 16, "user\x00app\x00a b\x00c\x00\x00", "FATAL 42704"},
		{2 << 16, "user\x00app\x00\x00", "FATAL 0A000"},
		{4 << 16, "user\x00app\x00\x00", "FATAL 0A000"},
	}
	for _, c := range cases {
		s, e := readStartup(c.code, []byte(c.body))
		got := strings.TrimSpace(s.user + "@" + s.database + " " + settingsText(s.settings) + s.replication)
		if len(s.unknown) > 0 {
			got += " unknown " + strings.Join(s.unknown, " ")
		}
		if e == nil {
			e = s.refusal
		}
		if e != nil {
			got = e.Severity + " " + e.Code
		}
		if got != c.want {
			t.Errorf("%q: %q, not %q", c.body, got, c.want)
		}
	}
}

func TestOptionsAreSplitAsPostgreSQLDoes(t *testing.T) {
	for options, want := range map[string][]string{
		"":                 nil,
		"  \t ":            nil,
		"a b":              {"a", "b"},
		`a\ b c`:           {"a b", "c"},
		`\\\\`:             {`\\`},
		"a\v\fb":           {"a", "b"},
		`\`:                {""},
		`a \`:              {"a", ""},
		"-c\u00a0x=\u00e9": {"-c\u00a0x=\u00e9"},
	} {
		if got := splitOptions(options); !slices.Equal(got, want) {
			t.Errorf("%q: %q", options, got)
		}
	}
}

func settingsText(s session.Settings) string {
	var list []string
	for n, v := range s.All() {
		list = append(list, n+"="+v)
	}
	return strings.Join(list, " ")
}
