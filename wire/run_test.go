package wire

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// runByNext is what RunOf is to find, frame by frame.
func runByNext(t byte, buf []byte) (n, frames int) {
	for {
		f, ok, err := Next(buf[n:])
		if err != nil || !ok || f.Type != t || !f.Whole() {
			return n, frames
		}
		n += HeaderLen + f.Size
		frames++
	}
}

func checkRun(t *testing.T, buf []byte) {
	t.Helper()
	n, frames := RunOf('D', buf)
	if wantN, want := runByNext('D', buf); n != wantN || frames != want {
		t.Fatalf("%d bytes, %d frames, and by Next %d and %d, in %q", n, frames, wantN, want, buf)
	}
}

// rowsOf makes frames of bodies so long, each filled with what looks like a header.
func rowsOf(bodies ...byte) []byte {
	var b []byte
	for _, size := range bodies {
		b = binary.BigEndian.AppendUint32(append(b, 'D'), uint32(4+size))
		b = append(b, bytes.Repeat([]byte("D\x00\x00\x00\x05"), int(size))[:size]...)
	}
	return b
}

func TestRunsOfFramesEndWhereNextSaysSo(t *testing.T) {
	bodies := []byte{0, 0, 0, 1, 1, 2, 3, 3, 3}
	for range 12 {
		bodies = append(bodies, 7)
	}
	for range 40 { // now and then alike
		bodies = append(bodies, byte(20+rand.IntN(3)))
	}
	for range 20 {
		bodies = append(bodies, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 8)
	}
	all := rowsOf(bodies...)
	for end := range len(all) + 1 {
		checkRun(t, all[:end])
	}
	for at := range all { // another type, or another length
		b := bytes.Clone(all)
		b[at] ^= 0x80
		checkRun(t, b)
	}
}

func FuzzRuns(f *testing.F) {
	f.Add([]byte{7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 1, 0, 0, 2}, []byte("D\x00\x00\x00\x06abD\x00\x00"))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []byte("D\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, bodies, rest []byte) {
		all := append(rowsOf(bodies...), rest...)
		checkRun(t, all)
		checkRun(t, rest)
		checkRun(t, all[:len(all)-len(all)/3])
	})
}
