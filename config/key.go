package config

import (
	"fmt"
	"strconv"
	"strings"
)

// A key is written as faults show it: names joined by dots, items of lists
// counted from 1 in brackets, names that TOML would quote in quotes. So
// "cluster[2].etcd.endpoints[1]", and no two places of a file share a key.

// childKey is the key of name in the table at parent; "" is the file itself.
func childKey(parent, name string) string {
	if !isBare(name) {
		name = strconv.Quote(name)
	}
	if parent == "" {
		return name
	}
	return parent + "." + name
}

// itemKey is the key of item i, counted from 0, of the list at key list.
func itemKey(list string, i int) string {
	return fmt.Sprintf("%s[%d]", list, i+1)
}

// parentKey is what holds key; "" at the top. Names of the schema need no
// quotes, so a dot or bracket always divides; of other names the answer is
// only ever used to find a line nearby.
func parentKey(key string) string {
	return key[:max(strings.LastIndexAny(key, ".["), 0)]
}

func isBare(name string) bool {
	for i := range len(name) {
		if !isBareByte(name[i]) {
			return false
		}
	}
	return name != ""
}

func isBareByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}
