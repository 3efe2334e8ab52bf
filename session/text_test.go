package session

import "strings"

func settingsText(s Settings) string {
	var list []string
	for n, v := range s.All() {
		list = append(list, n+"="+v)
	}
	return strings.Join(list, " ")
}
