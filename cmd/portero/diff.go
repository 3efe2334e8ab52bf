package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// diff asks the Portero that runs what a reload would change, and prints it. The exit
// status is that of diff(1): 0 if nothing, 1 if something, 2 in trouble.
func diff(args []string, stdout, stderr io.Writer) int {
	flags := newFlags("diff", "", stderr)
	path := flags.String("config", "", "configuration `file` (proxy.toml), for the address of the one that runs")
	address := flags.String("admin", "", "`address` of [admin] of the one that runs; default: as the file has it")
	if status, ends := parsed(flags, args, path); ends {
		return status
	}
	lines, err := askDiff(*path, *address)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	fmt.Fprint(stdout, lines)
	if lines == "" {
		return 0
	}
	return 1
}

// askDiff blocks on the network, for some seconds at most.
func askDiff(path, address string) (lines string, err error) {
	if address == "" {
		p, err := prepare(path, nil)
		if err != nil {
			return "", err
		}
		address = p.cfg.Admin.Address
	}
	if address == "" {
		return "", errors.New("portero diff: the file has no [admin] address: give --admin")
	}
	status, text, err := askRunning(address, "/diff")
	switch {
	case err != nil && status != 0:
		return "", fmt.Errorf("portero diff: %s answers what cannot be read: %w", address, err)
	case err != nil:
		return "", fmt.Errorf("portero diff: no Portero answers at %s: %w", address, err)
	case status == http.StatusUnprocessableEntity:
		return "", fmt.Errorf("a reload would change nothing, as it would fail:\n%s", text)
	case status != http.StatusOK:
		return "", fmt.Errorf("portero diff: %s answers %d", address, status)
	}
	return string(text), nil
}

// mostAnswered is how much of an answer is read, in bytes: all rules of a long pg_hba.conf, which
// explain lists for each listener.
const mostAnswered = 16 << 20

// askRunning asks the Portero that runs, by its [admin] address. It blocks on the network, for
// some seconds at most. An error with a status is of an answer that did not come whole.
func askRunning(address, path string) (status int, body []byte, err error) {
	if host, port, err := net.SplitHostPort(address); err == nil && host == "" {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	ask := http.Client{Timeout: 10 * time.Second}
	answer, err := ask.Get("http://" + address + path)
	if err != nil {
		if asked, ok := errors.AsType[*url.Error](err); ok {
			err = asked.Err // the rest is ours
		}
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, mostAnswered+1))
	if len(body) > mostAnswered {
		return answer.StatusCode, nil, fmt.Errorf("the answer is longer than %d MiB", mostAnswered>>20)
	}
	return answer.StatusCode, body, err
}
