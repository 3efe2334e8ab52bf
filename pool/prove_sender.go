package pool

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// A walsender is asked in the words that all of them understand: who replicates whole
// clusters may say no SQL, and for who replicates a database nothing that is said here
// touches his session (PostgreSQL documentation, "Streaming Replication Protocol").

// askSender asks a walsender what it is. Whether it is in recovery PostgreSQL has reported at
// its login since version 14 (in_hot_standby). Before that the transaction of SHOW tells:
// in recovery it can only be read-only. So a server that has all transactions so
// (default_transaction_read_only) is taken for a standby there, and never the other way.
func askSender(e *entered) (account, error) {
	var said account
	inRecovery, told := e.login.Parameters["in_hot_standby"]
	if !told {
		row, err := said.row(e, "SHOW transaction_read_only")
		if err != nil {
			return said, err
		}
		if len(row) > 0 {
			inRecovery = string(row[0])
		}
	}
	row, err := said.row(e, "IDENTIFY_SYSTEM")
	if err != nil {
		return said, err
	}
	if len(row) < 2 || inRecovery != "on" && inRecovery != "off" {
		return said, errors.New("unreadable answer to the question for its role")
	}
	if now, again := said.reported["in_hot_standby"]; again { // for the next time: it was promoted while it answered
		e.login.Parameters["in_hot_standby"] = now
	}
	said.InRecovery, said.SystemID = inRecovery == "on", string(row[0])
	if said.InRecovery {
		return said, nil
	}
	said.Timeline, err = strconv.ParseInt(string(row[1]), 10, 64)
	if err != nil {
		return said, fmt.Errorf("timeline: %w", err)
	}
	return said, nil
}

// row is the first row of the answer to a command.
func (a *account) row(e *entered, command string) (values [][]byte, err error) {
	if err := e.stream.Write(&pgproto3.Query{String: command}); err != nil {
		return nil, err
	}
	var failed error
	for {
		f, err := e.stream.Read(64 << 10)
		if err != nil {
			return nil, err
		}
		switch f.Type {
		case 'D':
			var row pgproto3.DataRow
			if values == nil && row.Decode(slices.Clone(f.Body)) == nil {
				values = row.Values
			}
		case 'S':
			if name, value, ok := wire.ParameterStatus(f.Body); ok {
				a.report(name, value)
			}
		case 'E':
			failed = wire.ParseError(f.Body)
		case 'Z':
			return values, failed
		}
	}
}
