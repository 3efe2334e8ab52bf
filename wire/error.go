package wire

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"
)

// SQLSTATE codes that Portero itself gives (PostgreSQL documentation,
// appendix "PostgreSQL Error Codes").
const (
	ProtocolViolation      = "08P01"
	ConnectionFailure      = "08006"
	ConnectFailed          = "08001"
	ResolutionUnknown      = "08007"
	FeatureNotSupported    = "0A000"
	ConfigFileError        = "F0000"
	InFailedTransaction    = "25P02"
	InvalidAuthorization   = "28000"
	InvalidPassword        = "28P01"
	UndefinedDatabase      = "3D000"
	TooManyConnections     = "53300"
	AdminShutdown          = "57P01"
	CannotConnectNow       = "57P03"
	IdleSessionTimeout     = "57P05"
	QueryCanceled          = "57014"
	InternalError          = "XX000"
	SuccessfulCompletion   = "00000"
	InvalidParameterValue  = "22023"
	UndefinedStatementName = "26000"
	ConfigurationLimit     = "53400"

	IdleInTransactionTimeout = "25P03"
	TransactionTimeout       = "25P04"
)

// Error is what a client is told. It doubles as a Go error; errors that come
// from a server keep that server's fields.
type Error struct {
	Severity string // ERROR or FATAL; "" means ERROR
	Code     string // SQLSTATE
	Message  string
	Detail   string
	Hint     string
}

// Fatal builds an error after which the client is closed.
func Fatal(code, format string, args ...any) *Error {
	return &Error{Severity: "FATAL", Code: code, Message: fmt.Sprintf(format, args...)}
}

// Errorf builds an error on a connection that stays usable.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Severity: "ERROR", Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error gives severity, message and code on one line.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (SQLSTATE %s)", e.severity(), e.Message, e.Code)
}

// AsFatal is the same error for a client that is closed after it.
func (e *Error) AsFatal() *Error {
	fatal := *e
	fatal.Severity = "FATAL"
	return &fatal
}

func (e *Error) severity() string {
	if e.Severity == "" {
		return "ERROR"
	}
	return e.Severity
}

// Append adds the error as an ErrorResponse to dst.
func (e *Error) Append(dst []byte) []byte {
	m := pgproto3.ErrorResponse{
		Severity: e.severity(), SeverityUnlocalized: e.severity(),
		Code: e.Code, Message: e.Message, Detail: e.Detail, Hint: e.Hint,
	}
	out, err := m.Encode(dst)
	if err != nil { // longer than a frame may be; cannot happen with our texts
		return dst
	}
	return out
}

// Encode makes Error a Message.
func (e *Error) Encode(dst []byte) ([]byte, error) { return e.Append(dst), nil }

// ParseError decodes the body of an ErrorResponse or NoticeResponse.
func ParseError(body []byte) *Error {
	var m pgproto3.ErrorResponse
	if err := m.Decode(body); err != nil {
		return &Error{Severity: "FATAL", Code: ProtocolViolation, Message: "unreadable error from server"}
	}
	sev := m.SeverityUnlocalized
	if sev == "" {
		sev = m.Severity
	}
	return &Error{Severity: sev, Code: m.Code, Message: m.Message, Detail: m.Detail, Hint: m.Hint}
}

// IsFatal reports whether the body of an ErrorResponse says that the server is
// about to close. It looks for the untranslated severity (field V, PostgreSQL 9.6 and
// later), else the severity.
func IsFatal(body []byte) bool {
	var severity []byte
	for len(body) > 1 && body[0] != 0 {
		value, rest, ok := CutString(body[1:])
		if !ok {
			break
		}
		if body[0] == 'V' || body[0] == 'S' && severity == nil {
			severity = value
		}
		body = rest
	}
	return string(severity) == "FATAL" || string(severity) == "PANIC"
}

// ErrorField returns a field of the body of an ErrorResponse, "" if it has none
// (PostgreSQL documentation, "Error and Notice Message Fields").
func ErrorField(body []byte, field byte) string {
	for len(body) > 1 && body[0] != 0 {
		value, rest, ok := CutString(body[1:])
		if !ok {
			break
		}
		if body[0] == field {
			return string(value)
		}
		body = rest
	}
	return ""
}

// IsTrouble reports whether an SQLSTATE is of a server's own trouble, and not about
// the statement that it answers: classes 08, 40, 53, 57, 58 and XX (PostgreSQL
// documentation, appendix "PostgreSQL Error Codes").
func IsTrouble(code string) bool {
	switch code[:min(2, len(code))] {
	case "08", "40", "53", "57", "58", "XX":
		return true
	}
	return false
}
