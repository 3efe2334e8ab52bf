package lab

import "errors"

// CutFrom has all be lost that two hosts send to each other, and nothing else: both are in
// reach of everybody else. JoinTo ends it.
func (h *NetworkHost) CutFrom(other *NetworkHost) error {
	return errors.Join(h.take(other, nobody), other.take(h, nobody))
}

// JoinTo ends what CutFrom began.
func (h *NetworkHost) JoinTo(other *NetworkHost) error {
	return errors.Join(h.take(other, firstHost+other.number), other.take(h, firstHost+h.number))
}

// take has the host send what is for another to the hardware address that belongs to a number.
func (h *NetworkHost) take(other *NetworkHost, number int) error {
	return neighbour(h.space.ip, "eth0", other.Address, mac(number))
}
