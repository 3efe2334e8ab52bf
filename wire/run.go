package wire

import "encoding/binary"

// RunOf looks at no more than the headers of the whole frames of type t at the start of buf: n
// is how many bytes they are. It stops before what Next has to look at.
//
// Most of what it takes is to wait for memory: where the next header is says this one. So behind
// each frame it looks whether the next is as long: then the processor need not wait for one header
// to look for the next, as it guesses how a comparison ends.
func RunOf(t byte, buf []byte) (n, frames int) {
	guesses := wrongGuesses
	for len(buf)-n >= atOnce {
		head := headAt(buf, n)
		size := 1 + int(int32(uint32(head)))
		if byte(head>>32) != t || size < HeaderLen || size > len(buf)-n {
			return n, frames
		}
		n += size
		frames++
		if guesses > 0 {
			more := alike(head, size, buf[n:])
			n += more * size
			frames += more
			if more < goodGuess {
				guesses--
			}
		}
	}
	if f, ok, err := Next(buf[n:]); ok && err == nil && f.Type == t && f.Whole() { // one at the most
		return n + HeaderLen + f.Size, frames + 1
	}
	return n, frames
}

const (
	atOnce       = 8 // bytes that are read to have a header
	wrongGuesses = 4 // that frames are alike, until it is given up: each costs as much as some frames
	goodGuess    = 8 // frames alike that make a guess worth it
)

// headAt is the header at buf[n:], its type above its length.
func headAt(buf []byte, n int) uint64 {
	return binary.BigEndian.Uint64(buf[n:]) >> (8 * (atOnce - HeaderLen))
}

// alike is how many whole frames with this header, of so many bytes each, stand at the start of buf.
func alike(head uint64, size int, buf []byte) int {
	n, last := 0, len(buf)-max(size, atOnce)
	for n <= last && headAt(buf, n) == head {
		n += size
	}
	return n / size
}
