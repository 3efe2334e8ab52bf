package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAnswerEndsWithReadyForQuery(t *testing.T) {
	text := "T\x00\x00\x00\x04" + strings.Repeat("x", 600_000) + string(answerEnd)
	for name, from := range map[string]io.Reader{
		"as it comes": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text)), "in halves": iotest.HalfReader(strings.NewReader(text)),
	} {
		if got, err := readAnswer(from); err != nil || got != int64(len(text)) {
			t.Errorf("%s: %d bytes, %v", name, got, err)
		}
	}
	if _, err := readAnswer(strings.NewReader(text[:len(text)-1])); err == nil {
		t.Error("an answer without its end was taken")
	}
	if _, err := readAnswer(strings.NewReader("E\x00\x00\x00\x04" + string(answerEnd))); err == nil {
		t.Error("an error was taken for an answer")
	}
}

func TestLinesAreSentOnceTheServerWaitsForThem(t *testing.T) {
	type conn struct {
		io.Reader
		io.Writer
	}
	var sent bytes.Buffer
	n, err := writeLines(conn{strings.NewReader("G\x00\x00\x00\x09\x00\x00\x01\x00\x00"), &sent}, 1_000_000)
	if err != nil || n < 1_000_000 || int64(sent.Len()) != n+5 || sent.Bytes()[n] != 'c' {
		t.Errorf("sent %d bytes of %d, %v", n, sent.Len(), err)
	}
	if _, err := writeLines(conn{strings.NewReader("E\x00\x00\x00\x04"), &sent}, 1); err == nil {
		t.Error("lines were sent to a server that refused them")
	}
}
