package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// run does what a text asks for. log has a line of each command that is to change something,
// before it is done, as that can take long.
func (c *Console) run(ctx context.Context, log *slog.Logger, text string, admin bool) (answer, *wire.Error) {
	parsed, ok := parse(text)
	switch {
	case !ok:
		return answer{}, invalid(text)
	case parsed.set:
		return c.set(log, parsed.key, parsed.value, admin)
	case parsed.word == "show" || parsed.word == "select":
		return c.show(ctx, text, parsed.args, admin)
	}
	d, known := deeds[parsed.word]
	switch {
	case !known || len(parsed.args) > d.most:
		return answer{}, invalid(text)
	case !admin:
		return answer{}, errAdminOnly
	}
	log.Info("console command")
	tag := strings.ToUpper(parsed.word)
	a, err := d.do(c, ctx, tag, parsed.args)
	switch {
	case errors.Is(err, errSyntax):
		return answer{}, invalid(text)
	case err != nil:
		return answer{}, c.refusal(ctx, tag, err)
	}
	if a.tag == "" {
		a.tag = tag
	}
	return a, nil
}

// invalid has the words of PgBouncer, which shows no more of a text than this.
func invalid(text string) *wire.Error {
	const most = 900
	if len(text) > most {
		text = text[:most]
	}
	return wire.Errorf(wire.ProtocolViolation, "invalid command '%s', use SHOW HELP;", strings.ToValidUTF8(text, "?"))
}

var (
	errAdminOnly = wire.Errorf(wire.ProtocolViolation, "admin access needed")
	errSyntax    = errors.New("as PgBouncer puts it: invalid command")
)

// refusal is what a client hears of a command that failed.
func (c *Console) refusal(ctx context.Context, tag string, err error) *wire.Error {
	var said *wire.Error
	switch {
	case errors.As(err, &said):
		return said
	case ctx.Err() != nil:
		return wire.Errorf(wire.QueryCanceled, "canceling %s due to user request", tag)
	}
	return wire.Errorf(wire.ProtocolViolation, "%s", err)
}

// deed is a command that does something.
type deed struct {
	most int // arguments
	do   func(c *Console, ctx context.Context, tag string, args []string) (answer, error)
}

var deeds = map[string]deed{
	"pause":      {1, onDatabase("pause", false, func(o *ConsoleOptions) inTime { return o.Pause })},
	"wait_close": {1, onDatabase("wait in", false, func(o *ConsoleOptions) inTime { return o.WaitClose })},
	"resume":     {1, onDatabase("resume", false, func(o *ConsoleOptions) inTime { return atOnce(o.Resume) })},
	"disable":    {1, onDatabase("disable", true, func(o *ConsoleOptions) inTime { return atOnce(o.Disable) })},
	"enable":     {1, onDatabase("enable", true, func(o *ConsoleOptions) inTime { return atOnce(o.Enable) })},
	"reconnect":  {1, onDatabase("reconnect", false, func(o *ConsoleOptions) inTime { return atOnce(o.Reconnect) })},
	"kill":       {1, onDatabase("kill", false, func(o *ConsoleOptions) inTime { return atOnce(o.Kill) })},

	"kill_client": {1, (*Console).killClient},
	"suspend":     {0, (*Console).suspend},
	"reload":      {0, (*Console).reload},
	"shutdown":    {1, (*Console).shutdown},

	"accept_timeline": {3, (*Console).acceptTimeline},
}

// inTime is a function for one database, or all with "".
type inTime func(ctx context.Context, database string) error

func atOnce(do func(database string) error) inTime {
	if do == nil {
		return nil
	}
	return func(_ context.Context, database string) error { return do(database) }
}

// onDatabase is a command that takes a database, or with none is for all if it need not.
func onDatabase(verb string, needed bool, of func(*ConsoleOptions) inTime) func(*Console, context.Context, string, []string) (answer, error) {
	return func(c *Console, ctx context.Context, tag string, args []string) (answer, error) {
		database := ""
		if len(args) > 0 {
			database = args[0]
		}
		switch do := of(&c.o); {
		case database == "" && needed:
			return answer{}, errors.New("a database is required")
		case slices.Contains(consoleNames, database):
			return answer{}, fmt.Errorf("cannot %s admin db: %s", verb, database)
		case do == nil:
			return answer{}, notAvailable(tag)
		default:
			return answer{}, do(ctx, database)
		}
	}
}

// consoleNames are no databases.
var consoleNames = []string{consoleDatabase, "portero"}

func notAvailable(tag string) error {
	return wire.Errorf(wire.FeatureNotSupported, "%s is not available", tag)
}

func (c *Console) killClient(_ context.Context, tag string, args []string) (answer, error) {
	if c.o.KillClient == nil {
		return answer{}, notAvailable(tag)
	}
	if len(args) == 0 {
		return answer{}, errInvalidClient
	}
	id, err := strconv.ParseUint(args[0], 10, 64)
	switch {
	case err != nil:
		return answer{}, errInvalidClient
	case !c.killSession(id) && !c.o.KillClient(id):
		return answer{}, errors.New("client not found")
	}
	return answer{}, nil
}

var errInvalidClient = errors.New("invalid client pointer supplied")

func (c *Console) suspend(ctx context.Context, tag string, _ []string) (answer, error) {
	if c.o.Suspend == nil {
		return answer{}, notAvailable(tag)
	}
	return answer{suspends: true}, c.o.Suspend(ctx)
}

// reload says what is wrong with the file in the error's detail.
func (c *Console) reload(_ context.Context, tag string, _ []string) (answer, error) {
	if c.o.Reload == nil {
		return answer{}, notAvailable(tag)
	}
	if err := c.o.Reload(); err != nil {
		e := wire.Errorf(wire.ConfigFileError, "RELOAD failed, see logs for additional details")
		e.Detail = err.Error()
		return answer{}, e
	}
	return answer{}, nil
}

// shutdown answers before it begins, but for the one at once, of which the client hears when
// its connection ends.
func (c *Console) shutdown(_ context.Context, tag string, args []string) (answer, error) {
	mode := ShutdownAtOnce
	if len(args) > 0 {
		switch strings.ToLower(args[0]) {
		case "wait_for_servers":
			mode = ShutdownWaitForServers
		case "wait_for_clients":
			mode = ShutdownWaitForClients
		default:
			return answer{}, errSyntax
		}
	}
	if c.o.Shutdown == nil {
		return answer{}, notAvailable(tag)
	}
	return answer{silent: mode == ShutdownAtOnce, after: func() { c.o.Shutdown(mode) }}, nil
}

// acceptTimeline has a group served on an older timeline. All is named, so that nothing is
// decided by default.
func (c *Console) acceptTimeline(_ context.Context, tag string, args []string) (answer, error) {
	if c.o.AcceptTimeline == nil {
		return answer{}, notAvailable(tag)
	}
	if len(args) != 3 {
		return answer{}, errors.New("ACCEPT_TIMELINE needs a cluster, a group and a timeline")
	}
	group, err := strconv.Atoi(args[1])
	timeline, err2 := strconv.ParseInt(args[2], 10, 64)
	if err := errors.Join(err, err2); err != nil {
		return answer{}, errors.New("group and timeline must be numbers")
	}
	return answer{}, c.o.AcceptTimeline(args[0], group, timeline)
}

// pretended are the settings that drivers ask for, or set, without looking whether they must.
var pretended = []struct{ name, value string }{
	{"client_encoding", "UTF-8"}, {"default_transaction_isolation", "read committed"}, {"standard_conforming_strings", "on"},
	{"datestyle", "ISO"}, {"timezone", "GMT"}, {"extra_float_digits", "2"},
}

// pretend is the value of such a setting.
func pretend(key string) (name, value string, ok bool) {
	for _, p := range pretended {
		if strings.EqualFold(p.name, key) {
			return p.name, p.value, true
		}
	}
	return "", "", false
}

func (c *Console) set(log *slog.Logger, key, value string, admin bool) (answer, *wire.Error) {
	if _, _, ok := pretend(key); ok {
		return answer{notice: notice("SET ignored", ""), tag: "SET"}, nil
	}
	switch {
	case !admin:
		return answer{}, errAdminOnly
	case c.o.Set == nil:
		return answer{}, wire.Errorf(wire.FeatureNotSupported, "SET is not available: change the file, and restart")
	}
	log.Info("console command")
	if err := c.o.Set(key, value); err != nil {
		e := wire.Errorf(wire.ProtocolViolation, "SET failed")
		e.Detail = err.Error()
		return answer{}, e
	}
	return answer{tag: "SET " + key + "=" + value}, nil
}

func notice(message, detail string) *pgproto3.NoticeResponse {
	return &pgproto3.NoticeResponse{Severity: "NOTICE", Code: wire.SuccessfulCompletion, Message: message, Detail: detail}
}
