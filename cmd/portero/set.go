package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

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
	plain, err := inWords(literal)
	if err != nil {
		return err
	}
	in.reloading.Lock()
	defer in.reloading.Unlock()
	before := in.inForce.Load()
	over := slices.DeleteFunc(slices.Clone(before.over), func(v string) bool { return strings.HasPrefix(v, variable+"=") })
	next, err := in.read(append(over, variable+"="+plain))
	if err == nil {
		err = in.apply(next)
	}
	if err != nil {
		in.logFaults("SET "+key, err)
	}
	return err
}

// inWords is a TOML value as the environment has it: a list with commas.
func inWords(literal string) (string, error) {
	var read struct{ V any }
	if _, err := toml.Decode("V = "+literal, &read); err != nil {
		return "", fmt.Errorf("%s: %w", literal, err)
	}
	list, ok := read.V.([]any)
	if !ok {
		return fmt.Sprint(read.V), nil
	}
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ","), nil
}

// environ is the environment, and what has been set over it.
func environ(over []string) []string { return config.Override(os.Environ(), over) }
