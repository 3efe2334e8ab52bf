package main

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"portero/config"
	"portero/translate"
)

// set is SET on the console: a setting by PgBouncer's name. It counts until the next reload,
// which goes by the file again, and not for what has a value of its own in the file (a route's
// pool_size, say).
func (in *instance) set(key, value string) error {
	ours, literal, err := translate.Set(key, value)
	switch {
	case errors.Is(err, translate.ErrUnknown):
		return errors.New("unknown parameter: " + key)
	case err != nil:
		return err
	}
	variable, ok := config.Variable(ours)
	if !ok {
		return translate.ErrInFile
	}
	if text, err := strconv.Unquote(literal); err == nil {
		literal = text
	}
	in.reloading.Lock()
	defer in.reloading.Unlock()
	before := in.inForce.Load()
	over := slices.DeleteFunc(slices.Clone(before.over), func(v string) bool { return strings.HasPrefix(v, variable+"=") })
	next, err := prepare(in.path, append(over, variable+"="+literal))
	if err == nil {
		err = in.apply(next)
	}
	if err != nil {
		in.logFaults("SET "+key, err)
	}
	return err
}

// environ is the environment, and what has been set over it.
func environ(over []string) []string { return slices.Concat(os.Environ(), over) }
