package failover

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"portero/internal/lab"
)

// listener is a client that listens, and asks to be told when it may have missed
// something.
type listener struct{ *pgx.Conn }

func (s *scene) listen(t *testing.T) listener {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.dsn("app"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), "listen news; listen portero_resumed"); err != nil {
		t.Fatal(err)
	}
	return listener{conn}
}

// hearsAgain holds that the client was told of the gap, and hears what is sent
// behind it.
func (l listener) hearsAgain(t *testing.T, s *scene) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	if n, err := l.WaitForNotification(ctx); err != nil || n.Channel != "portero_resumed" || n.Payload != "" {
		t.Fatalf("%+v, %v: it was not told of the gap", n, err)
	}
	s.dial(t).Expect(t, "select count(pg_notify('news', 'again'))", "1")
	for {
		n, err := l.WaitForNotification(ctx)
		if err != nil {
			t.Fatalf("it hears nothing any more: %v", err)
		}
		if n.Channel == "news" {
			return
		}
	}
}
