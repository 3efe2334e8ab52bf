package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/jackc/pgx/v5/pgproto3"
)

// peer is a stream's other side: it reads from in, and what is written is kept.
type peer struct {
	io.Reader
	bytes.Buffer
	writes int
}

func (p *peer) Read(b []byte) (int, error)  { return p.Reader.Read(b) }
func (p *peer) Write(b []byte) (int, error) { p.writes++; return p.Buffer.Write(b) }

func streamOf(text string) *Stream { return NewStream(&peer{Reader: strings.NewReader(text)}) }

func TestNextReadsFrames(t *testing.T) {
	cases := []struct {
		name  string
		in    string
		ok    bool
		whole bool
		body  string
		size  int
		err   error
	}{
		{"nothing", "", false, false, "", 0, nil},
		{"half a header", "Q\x00\x00\x00", false, false, "", 0, nil},
		{"no body", "S\x00\x00\x00\x04", true, true, "", 0, nil},
		{"whole", "Z\x00\x00\x00\x05I", true, true, "I", 1, nil},
		{"more behind it", "Z\x00\x00\x00\x05ITT", true, true, "I", 1, nil},
		{"not whole", "Q\x00\x00\x00\x0aab", true, false, "ab", 6, nil},
		{"the longest", "d\x40\x00\x00\x03", true, false, "", MaxFrame, nil},
		{"longer", "d\x40\x00\x00\x04", false, false, "", 0, ErrFrameLength},
		{"shorter than its own length", "Q\x00\x00\x00\x03", false, false, "", 0, ErrFrameLength},
		{"negative", "Q\xff\xff\xff\xff", false, false, "", 0, ErrFrameLength},
		{"most negative", "Q\x80\x00\x00\x00", false, false, "", 0, ErrFrameLength},
	}
	for _, c := range cases {
		f, ok, err := Next([]byte(c.in))
		if ok != c.ok || err != c.err || ok && (f.Whole() != c.whole || string(f.Body) != c.body || f.Size != c.size || f.Type != c.in[0]) {
			t.Errorf("%s: %+v, %v, %v", c.name, f, ok, err)
		}
	}
}

func TestFramesOfOneTypeAreCountedByTheirHeaders(t *testing.T) {
	const row, end = "D\x00\x00\x00\x06ab", "C\x00\x00\x00\x05\x00"
	for in, want := range map[string][2]int{
		"":                              {0, 0},
		end + row:                       {0, 0},
		row:                             {7, 1},
		row + row + end + row:           {14, 2},
		row + "D\x00\x00\x00\x04" + row: {19, 3},
		row + row[:6]:                   {7, 1},
		row + row[:4]:                   {7, 1},
		row + "D\x00\x00\x00\x03":       {7, 1},
		row + "D\xff\xff\xff\xff" + row: {7, 1},
		row + "D\x80\x00\x00\x00" + row: {7, 1},
		row + "D\x7f\xff\xff\xff" + row: {7, 1},
	} {
		if n, frames := RunOf('D', []byte(in)); n != want[0] || frames != want[1] {
			t.Errorf("%q: %d bytes, %d frames, want %v", in, n, frames, want)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("Q\x00\x00\x00\x08abc\x00S\x00\x00\x00\x04"))
	f.Add([]byte("E\x00\x00\x00\x12SFATAL\x00Mx\x00\x00Z\x00\x00\x00\x05I"))
	f.Add([]byte("S\x00\x00\x00\x08a\x00b\x00d\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		stream := NewStream(&peer{Reader: iotest.OneByteReader(bytes.NewReader(b))})
		for {
			frame, ok, err := Next(b)
			read, readErr := stream.Read(len(b))
			if err != nil || !ok || !frame.Whole() {
				if readErr == nil {
					t.Fatalf("Read takes %+v, Next does not: %v, %v", read, ok, err)
				}
				return
			}
			if readErr != nil || read.Type != frame.Type || !bytes.Equal(read.Body, frame.Body) {
				t.Fatalf("Next reads %+v, Read %+v, %v", frame, read, readErr)
			}
			ParameterStatus(frame.Body)
			roundTrip(t, ParseError(frame.Body))
			StartupParameters(frame.Body) //nolint:errcheck // it must not panic
			b = b[HeaderLen+frame.Size:]
		}
	})
}

func TestReadTakesMessagesWholeFromAnyReader(t *testing.T) {
	text := "p\x00\x00\x00\x08abc\x00S\x00\x00\x00\x04Q\x00\x00\x00\x06x\x00"
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
		"by halves": iotest.HalfReader, "the error with the data": iotest.DataErrReader,
	} {
		s := NewStream(&peer{Reader: wrap(strings.NewReader(text))})
		for _, want := range []string{"pabc\x00", "S", "Qx\x00"} {
			f, err := s.Read(100)
			if got := string(f.Type) + string(f.Body); err != nil || got != want || !f.Whole() {
				t.Errorf("%s: %q, %v, want %q", name, got, err, want)
			}
		}
		if _, err := s.Read(100); err != io.EOF {
			t.Errorf("%s: the end between two messages is %v", name, err)
		}
	}
}

func TestTheEndInTheMiddleOfAMessageIsUnexpected(t *testing.T) {
	message := "p\x00\x00\x00\x08abc\x00"
	for n := 1; n < len(message); n++ {
		if _, err := streamOf(message[:n]).Read(100); err != io.ErrUnexpectedEOF {
			t.Errorf("Read, after %d bytes: %v", n, err)
		}
	}
	startup := "\x00\x00\x00\x09\x00\x03\x00\x00\x00"
	for n := 1; n < len(startup); n++ {
		if _, _, err := streamOf(startup[:n]).Startup(); err != io.ErrUnexpectedEOF {
			t.Errorf("Startup, after %d bytes: %v", n, err)
		}
	}
	if _, _, err := streamOf("").Startup(); err != io.EOF {
		t.Errorf("Startup, after nothing: %v", err)
	}
}

func TestReadBelievesNoLength(t *testing.T) {
	for name, text := range map[string]string{
		"too long": "p\x00\x00\x00\x0f", "a gigabyte": "p\x7f\xff\xff\xff", "negative": "p\xff\xff\xff\xff", "too short": "p\x00\x00\x00\x03",
	} {
		s := streamOf(text + strings.Repeat("x", 20))
		if _, err := s.Read(10); !errors.Is(err, ErrFrameLength) {
			t.Errorf("%s: %v", name, err)
		}
		if cap(s.buf) > 0 {
			t.Errorf("%s: %d bytes were allocated for it", name, cap(s.buf))
		}
	}
	if f, err := streamOf("p\x00\x00\x00\x0e0123456789").Read(10); err != nil || f.Size != 10 {
		t.Errorf("a body as long as the limit: %v", err)
	}
}

func TestBufferedIsWhatWasNotRead(t *testing.T) {
	s := streamOf("S\x00\x00\x00\x04more")
	if b := s.Buffered(); len(b) > 0 {
		t.Errorf("buffered before the first read: %q", b)
	}
	if _, err := s.Read(0); err != nil {
		t.Fatal(err)
	}
	b := s.Buffered()
	if string(b) != "more" {
		t.Fatalf("buffered %q", b)
	}
	b[0] = 'X'
	if p, err := s.Peek(4); err != nil || string(p) != "more" {
		t.Errorf("the stream goes on with %q, %v", p, err)
	}
}

func TestWriteSendsMessagesInOneWrite(t *testing.T) {
	p := &peer{Reader: strings.NewReader("")}
	if err := NewStream(p).Write(&pgproto3.ParseComplete{}, &pgproto3.ReadyForQuery{TxStatus: 'I'}); err != nil {
		t.Fatal(err)
	}
	if got := p.Buffer.String(); got != "1\x00\x00\x00\x04Z\x00\x00\x00\x05I" || p.writes != 1 {
		t.Errorf("%d writes of %q", p.writes, got)
	}
}

func TestStartupLengths(t *testing.T) {
	packet := func(claim, size int) string {
		b := binary.BigEndian.AppendUint32(nil, uint32(claim))
		b = binary.BigEndian.AppendUint32(b, 3<<16)
		return string(append(b, make([]byte, max(0, size-8))...))
	}
	for claim, want := range map[int]error{
		0: ErrStartupLength, 4: ErrStartupLength, 7: ErrStartupLength, 8: nil, 9: nil,
		MaxStartup: nil, MaxStartup + 1: ErrStartupLength, -1: ErrStartupLength, 1 << 30: ErrStartupLength,
	} {
		code, body, err := streamOf(packet(claim, min(max(claim, 0), MaxStartup))).Startup()
		if err != want || want == nil && (code != 3<<16 || len(body) != claim-8) {
			t.Errorf("length %d: code %d, %d bytes, %v", claim, code, len(body), err)
		}
	}
	if _, _, err := streamOf("GET / HTTP/1.1\r\n\r\n").Startup(); err != ErrStartupLength {
		t.Errorf("HTTP: %v", err)
	}
	slow := NewStream(&peer{Reader: iotest.OneByteReader(strings.NewReader(packet(10, 10) + "tail"))})
	if _, body, err := slow.Startup(); err != nil || len(body) != 2 {
		t.Errorf("byte by byte: %q, %v", body, err)
	}
}

func TestAStartupMessageIsReadAsItWasWritten(t *testing.T) {
	want := []Parameter{{"user", "app"}, {"b", "1"}, {"a", ""}, {"b", "2"}}
	b, err := (&StartupMessage{Parameters: want}).Encode([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	code, body, err := streamOf(string(b[len("before"):])).Startup()
	if err != nil || code != 3<<16 {
		t.Fatalf("%d, %v", code, err)
	}
	if got, err := StartupParameters(body); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, p := range []Parameter{{"a\x00b", ""}, {"a", "b\x00user\x00postgres"}} {
		if _, err := (&StartupMessage{Parameters: []Parameter{p}}).Encode(nil); err == nil {
			t.Errorf("%q is taken", p)
		}
	}
}

func TestFieldsOfAnError(t *testing.T) {
	body := Fatal("42501", "no").Append(nil)[HeaderLen:]
	for field, want := range map[byte]string{'C': "42501", 'M': "no", 'S': "FATAL", 'R': ""} {
		if got := ErrorField(body, field); got != want {
			t.Errorf("%c: %q", field, got)
		}
	}
	for n := range body {
		ErrorField(body[:n], 'R')
	}
}

func TestStartupParameters(t *testing.T) {
	cases := []struct {
		body string
		want []Parameter
		ok   bool
	}{
		{"\x00", nil, true},
		{"user\x00app\x00\x00", []Parameter{{"user", "app"}}, true},
		{"a\x00\x00b\x001\x00\x00", []Parameter{{"a", ""}, {"b", "1"}}, true},
		{"", nil, false}, {"a", nil, false}, {"a\x00", nil, false}, {"a\x00b", nil, false}, {"a\x00b\x00", nil, false},
		{"\x00\x00", nil, false}, {"a\x00b\x00\x00c", nil, false},
	}
	for _, c := range cases {
		got, err := StartupParameters([]byte(c.body))
		if (err == nil) != c.ok || c.ok && !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, %v", c.body, got, err)
		}
	}
}

func TestErrorsComeBackAsTheyWereSent(t *testing.T) {
	for _, e := range []*Error{
		Errorf("08006", "lost"), Fatal("57P01", "terminating %s", "now"),
		{Severity: "ERROR", Code: "XX000", Message: "m", Detail: "d\nd", Hint: "h \"h\""},
	} {
		roundTrip(t, e)
	}
	if e := (&Error{Code: "XX000", Message: "m"}); ParseError(e.Append(nil)[HeaderLen:]).Severity != "ERROR" {
		t.Error("an error without severity is an ERROR")
	}
	if got := Fatal("57P01", "bye").Error(); got != "FATAL: bye (SQLSTATE 57P01)" {
		t.Errorf("as text: %s", got)
	}
}

func roundTrip(t *testing.T, e *Error) {
	t.Helper()
	b := e.Append([]byte("x"))
	f, ok, err := Next(b[1:])
	if !ok || err != nil || !f.Whole() || f.Type != 'E' || len(b) != 1+HeaderLen+f.Size {
		t.Fatalf("%+v is sent as %q", e, b)
	}
	got, want := *ParseError(f.Body), *e
	if want.Severity == "" {
		want.Severity = "ERROR"
	}
	if got != want {
		t.Fatalf("sent %+v, received %+v", want, got)
	}
}

func TestParseErrorPrefersTheUntranslatedSeverity(t *testing.T) {
	body := "SFEHLER\x00VERROR\x00C22012\x00MDivision durch Null\x00P8\x00\x00"
	if e := ParseError([]byte(body)); e.Severity != "ERROR" || e.Code != "22012" || e.Message != "Division durch Null" {
		t.Errorf("%+v", e)
	}
	if e := ParseError([]byte("SFATAL\x00C57P01\x00Mold\x00\x00")); e.Severity != "FATAL" {
		t.Errorf("of an old server: %+v", e)
	}
	for _, body := range []string{"", "\x00", "S", "SFATAL", "M\x00"} {
		ParseError([]byte(body)) // must not panic
	}
}

func TestNegotiateProtocolVersionIsWhatPostgreSQLSends(t *testing.T) {
	m := &NegotiateProtocolVersion{Newest: 3 << 16, Options: []string{"_pq_.a", "_pq_.b"}}
	b, err := m.Encode(nil)
	// SendNegotiateProtocolVersion: the full version, not the minor alone; libpq
	// compares it with the version it asked for.
	want := "v\x00\x00\x00\x1a\x00\x03\x00\x00\x00\x00\x00\x02_pq_.a\x00_pq_.b\x00"
	if err != nil || string(b) != want {
		t.Errorf("%q, %v", b, err)
	}
	var decoded pgproto3.NegotiateProtocolVersion
	if err := decoded.Decode(b[HeaderLen:]); err != nil || decoded.NewestMinorProtocol != 3<<16 || !slices.Equal(decoded.UnrecognizedOptions, m.Options) {
		t.Errorf("pgproto3 reads %+v, %v", decoded, err)
	}
	if b, _ := (&NegotiateProtocolVersion{Newest: 3 << 16}).Encode([]byte("x")); string(b) != "xv\x00\x00\x00\x0c\x00\x03\x00\x00\x00\x00\x00\x00" {
		t.Errorf("without options: %q", b)
	}
}

func TestParameterStatus(t *testing.T) {
	for body, want := range map[string][2]string{
		"a\x00b\x00": {"a", "b"}, "a\x00\x00": {"a", ""},
	} {
		if n, v, ok := ParameterStatus([]byte(body)); !ok || n != want[0] || v != want[1] {
			t.Errorf("%q: %q %q %v", body, n, v, ok)
		}
	}
	for _, body := range []string{"", "a", "a\x00", "a\x00b"} {
		if _, _, ok := ParameterStatus([]byte(body)); ok {
			t.Errorf("%q is no ParameterStatus", body)
		}
	}
}

func TestKeyDataIsPgproto3s(t *testing.T) {
	want := Append([]byte("before"), &pgproto3.BackendKeyData{ProcessID: 1 << 30, SecretKey: []byte{1, 2, 3, 0xff}})
	if got := AppendKeyData([]byte("before"), 1<<30, 0x010203ff); !bytes.Equal(got, want) {
		t.Errorf("%x, not %x", got, want)
	}
}
