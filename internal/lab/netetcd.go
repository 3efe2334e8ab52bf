package lab

import "errors"

// CutFromEtcd has what the host sends to etcd be lost, and nothing else.
func (h *NetworkHost) CutFromEtcd() error { return h.takeEtcdFor(nobody, nobody) }

// JoinEtcd ends what CutFromEtcd began.
func (h *NetworkHost) JoinEtcd() error {
	if store := h.network.store; store != nil {
		return h.takeEtcdFor(ourNumber, firstHost+store.number)
	}
	return h.takeEtcdFor(ourNumber, nobody)
}

// takeEtcdFor has the host send what is for etcd to those whose hardware addresses belong to
// two numbers: what is for EtcdAddress, and for the host of a member.
func (h *NetworkHost) takeEtcdFor(most, store int) error {
	err := neighbour(h.space.ip, "eth0", h.network.EtcdAddress(), mac(most))
	if s := h.network.store; err == nil && s != nil && s != h {
		err = neighbour(h.space.ip, "eth0", s.Address, mac(store))
	}
	return err
}

// peerAddress is a second address of the host, for all that a member of etcd there has to do with
// the others.
func (h *NetworkHost) peerAddress() string { return h.network.at(firstHost + peerPlus + h.number) }

// storeEtcd makes the host the one with a member of etcd of its own. The others are on
// EtcdAddress.
func (h *NetworkHost) storeEtcd() error {
	h.network.store = h
	return errors.Join(
		h.space.forwardNothing(),
		neighbour(ip, h.network.cable, h.peerAddress(), mac(firstHost+h.number)),
		h.takePeerAddress(),
	)
}

// takePeerAddress has the host talk to the other members by that address, whoever begins.
func (h *NetworkHost) takePeerAddress() error {
	return errors.Join(
		h.space.ip("addr", "add", h.peerAddress()+"/24", "dev", "eth0"),
		h.space.ip("route", "replace", h.network.EtcdAddress()+"/32", "dev", "eth0", "src", h.peerAddress()),
	)
}

// cutFromPeers leaves the member of etcd in reach of its clients, and of no other member: what
// they send is for an address that is gone, and what it begins anew does not reach them.
func (h *NetworkHost) cutFromPeers() error {
	return errors.Join(h.CutFromEtcd(), h.space.ip("addr", "del", h.peerAddress()+"/24", "dev", "eth0"))
}

// joinPeers ends what cutFromPeers began.
func (h *NetworkHost) joinPeers() error {
	return errors.Join(h.takePeerAddress(), h.JoinEtcd())
}
