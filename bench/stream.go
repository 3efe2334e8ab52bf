package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgproto3"
)

// answerEnd is a ReadyForQuery outside of a transaction; no row of ours has it in its text.
var answerEnd = []byte("Z\x00\x00\x00\x05I")

// readAnswer reads to the end of an answer and returns how many bytes that were. It looks at
// the first byte and the last ones alone: a client that decoded rows would keep the proxy waiting.
func readAnswer(from io.Reader) (int64, error) {
	var got int64
	var last []byte // the last bytes, fewer than make an end
	buf := make([]byte, 256<<10)
	for {
		n, err := from.Read(buf[len(answerEnd):])
		if err != nil {
			return got, fmt.Errorf("after %d bytes: %w", got, err)
		}
		if got == 0 && buf[len(answerEnd)] == 'E' {
			return 0, fmt.Errorf("answered by an error: %q", buf[len(answerEnd):len(answerEnd)+n])
		}
		got += int64(n)
		// The end may come in two pieces: what is left of the one stands before the other.
		begin := len(answerEnd) - len(last)
		copy(buf[begin:], last)
		all := buf[begin : len(answerEnd)+n]
		if bytes.HasSuffix(all, answerEnd) {
			return got, nil
		}
		last = append(last[:0], all[max(0, len(all)-len(answerEnd)+1):]...)
	}
}

const (
	copyPiece = 8 << 10 // bytes of one CopyData, as psql sends
	copyWrite = 32      // of them at a time
)

// writeLines waits for the server to be ready for a COPY, sends at least so many bytes of
// lines, ends the COPY and returns how many bytes there were.
func writeLines(conn io.ReadWriter, size int64) (int64, error) {
	var head [64]byte
	n, err := conn.Read(head[:])
	if err != nil {
		return 0, err
	}
	if head[0] != 'G' { // CopyInResponse
		return 0, fmt.Errorf("COPY is answered by %q", head[:n])
	}
	line := append(bytes.Repeat([]byte("x"), 99), '\n')
	data, err := (&pgproto3.CopyData{Data: bytes.Repeat(line, copyPiece/len(line))}).Encode(nil)
	if err != nil {
		return 0, err
	}
	batch := bytes.Repeat(data, copyWrite)
	var sent int64
	for sent < size {
		n, err := conn.Write(batch)
		sent += int64(n)
		if err != nil {
			return sent, err
		}
	}
	done, err := (&pgproto3.CopyDone{}).Encode(nil)
	_, writeErr := conn.Write(done)
	return sent, errors.Join(err, writeErr)
}
