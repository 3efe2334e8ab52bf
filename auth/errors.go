package auth

import (
	"errors"
	"fmt"
)

// Reasons why Login cannot go on, beside the server's own *wire.Error. Trying
// again changes nothing until a secret, the server or its pg_hba.conf changes.
var (
	// ErrNoSecret: the server asks for a proof that our Credentials cannot give.
	ErrNoSecret = errors.New("no usable secret for the method the server asks for")
	// ErrVerifierDiffers: the SCRAM verifier in the user file is not the server's,
	// so that the key captured from the client opens nothing there.
	ErrVerifierDiffers = errors.New("the SCRAM verifier of the user file is not the server's")
	// ErrServerUnproven: the server did not prove that it knows the verifier.
	ErrServerUnproven = errors.New("the server could not prove that it knows the user's verifier")
	// ErrMethod: the server asks for a method that is not spoken here.
	ErrMethod = errors.New("authentication method not supported")
	// ErrIterations: deriving the keys that the server asks for would cost more
	// than a login may, or they would be worth nothing. Who plays the server
	// decides what we compute, so there is a limit.
	ErrIterations = fmt.Errorf("the server asks for a SCRAM iteration count that is not between 1 and %d", maxIterations)
	// ErrProtocol: the server sent what no server sends here, or too much of it.
	ErrProtocol = errors.New("unexpected message from the server")
)
