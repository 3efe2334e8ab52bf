package proxy

import (
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"

	"portero/wire"
)

// encodings are PostgreSQL's by their names in client_encoding as it reports them
// (PostgreSQL documentation, "Supported Character Sets"). Those that are not here,
// SQL_ASCII above all, are not converted.
var encodings = map[string]encoding.Encoding{
	"UTF8": unicode.UTF8, "LATIN1": charmap.ISO8859_1, "LATIN2": charmap.ISO8859_2, "LATIN3": charmap.ISO8859_3, "LATIN4": charmap.ISO8859_4,
	"LATIN5": charmap.ISO8859_9, "LATIN6": charmap.ISO8859_10, "LATIN7": charmap.ISO8859_13, "LATIN8": charmap.ISO8859_14, "LATIN9": charmap.ISO8859_15,
	"LATIN10": charmap.ISO8859_16, "ISO_8859_5": charmap.ISO8859_5, "ISO_8859_6": charmap.ISO8859_6, "ISO_8859_7": charmap.ISO8859_7, "ISO_8859_8": charmap.ISO8859_8,
	"WIN1250": charmap.Windows1250, "WIN1251": charmap.Windows1251, "WIN1252": charmap.Windows1252, "WIN1253": charmap.Windows1253, "WIN1254": charmap.Windows1254,
	"WIN1255": charmap.Windows1255, "WIN1256": charmap.Windows1256, "WIN1257": charmap.Windows1257, "WIN1258": charmap.Windows1258, "WIN866": charmap.CodePage866,
	"WIN874": charmap.Windows874, "KOI8R": charmap.KOI8R, "KOI8U": charmap.KOI8U, "SJIS": japanese.ShiftJIS, "EUC_JP": japanese.EUCJP, "EUC_KR": korean.EUCKR,
	"UHC": korean.EUCKR, "GBK": simplifiedchinese.GBK, "EUC_CN": simplifiedchinese.GBK, "GB18030": simplifiedchinese.GB18030, "BIG5": traditionalchinese.Big5,
}

// encodings are that of what the client's ear hears, and the client's own; nil where
// nothing is to be converted.
func (r *relay) encodings() (heard, own encoding.Encoding) {
	of, usual := r.c.rare.hearer.Encodings()
	set, ok := r.sess.Settings().Get("client_encoding")
	if !ok {
		set = usual
	}
	if set = strings.ToUpper(set); set == of || encodings[of] == nil || encodings[set] == nil {
		return nil, nil
	}
	return encodings[of], encodings[set]
}

// recoded is what an ear has heard in the client's encoding: notifications, which
// would come in it from a server of the client's own. A letter that the encoding has
// not is a question mark; PostgreSQL would end the session with an error.
func (r *relay) recoded(notifications []byte) []byte {
	from, to := r.encodings()
	if from == nil {
		return notifications
	}
	var out []byte
	for b := notifications; ; {
		f, ok, err := wire.Next(b)
		if err != nil || !ok || !f.Whole() {
			return out
		}
		var n pgproto3.NotificationResponse
		if n.Decode(f.Body) == nil {
			n.Channel, n.Payload = convert(n.Channel, from, to), convert(n.Payload, from, to)
			out = wire.Append(out, &n)
		}
		b = b[wire.HeaderLen+f.Size:]
	}
}

// asHeard is the names of channels, as the client has them, in the encoding in which
// its ear knows them.
func (r *relay) asHeard(channels []string) []string {
	to, from := r.encodings()
	if from == nil {
		return channels
	}
	heard := make([]string, len(channels))
	for i, name := range channels {
		heard[i] = convert(name, from, to)
	}
	return heard
}

func convert(s string, from, to encoding.Encoding) string {
	plain, err := from.NewDecoder().String(s)
	if err != nil {
		return s
	}
	var b strings.Builder
	encoder := to.NewEncoder()
	for _, letter := range plain {
		if coded, err := encoder.String(string(letter)); err == nil {
			b.WriteString(coded)
		} else {
			b.WriteByte('?')
		}
	}
	return b.String()
}
