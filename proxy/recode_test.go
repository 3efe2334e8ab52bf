package proxy_test

import (
	"encoding/hex"
	"testing"

	"github.com/jackc/pgx/v5"

	"portero/proxy"
)

func TestLettersAreEncodedAsPostgreSQLEncodesThem(t *testing.T) {
	ctx := bounded(t)
	conn := must(pgx.Connect(ctx, postgres(t).SuperuserDSN("app")))(t)
	defer conn.Close(ctx)
	for _, name := range proxy.Encodings() {
		known := 0
		for _, letter := range "表aéäßĄčăėİğļþŵőжЇґяαλשعกأ表的가あ中文ư–“" {
			var want string
			if conn.QueryRow(ctx, "select encode(convert_to($1, $2), 'hex')", string(letter), name).Scan(&want) != nil {
				continue // PostgreSQL knows of no such letter there
			}
			if known++; name == "BIG5" && letter != '表' { // Cyrillic and kana have other places in the Big5 of the web
				continue
			}
			if got := hex.EncodeToString([]byte(proxy.Encode(string(letter), name))); got != want {
				t.Errorf("%c in %s is %s, want %s", letter, name, got, want)
			}
		}
		if known < 2 {
			t.Errorf("%s has not been looked at", name)
		}
	}
}
