package wire_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/ringtest/wire"
)

// tapped is a connection that is listened in on.
type tapped struct {
	net.Conn
	mu         sync.Mutex
	tracker    wire.Tracker
	statements []string
	received   []byte
}

func (c *tapped) Write(b []byte) (int, error) {
	c.mu.Lock()
	// In pieces, as the network may have it.
	for _, piece := range [][]byte{b[:len(b)/3], b[len(b)/3:]} {
		c.statements = append(c.statements, c.tracker.Sent(piece)...)
	}
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tracker.Received(b[:n])
	c.received = append(c.received, b[:n]...)
	return n, err
}

func TestTracker(t *testing.T) {
	cfg, err := pgx.ParseConfig(pgtest.New(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	var tap *tapped
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		tap = &tapped{Conn: c}
		return tap, err
	}
	ctx := t.Context()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	idle := func() {
		t.Helper()
		tap.mu.Lock()
		defer tap.mu.Unlock()
		if tap.tracker.Waiting() {
			t.Error("an answer is due that was given")
		}
	}
	idle()
	for range 2 { // the second time it is prepared
		if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT $1::int", 1); err != nil {
				return err
			}
			var q pgx.Batch
			q.Queue("SELECT 2 WHERE $1", true)
			q.Queue("SELECT 3 WHERE $1", true)
			return tx.SendBatch(ctx, &q).Close()
		}); err != nil {
			t.Fatal(err)
		}
		idle()
		if tx := tap.tracker.Transaction(); len(tx) != 5 || !wire.Commits(tx[4]) {
			t.Errorf("transaction: %q", tx)
		}
	}
	if _, err := conn.Exec(ctx, "no SQL"); err == nil {
		t.Error("no error")
	}
	idle()
	got := strings.Join(tap.statements, "; ")
	const once = "begin; SELECT $1::int; SELECT 2 WHERE $1; SELECT 3 WHERE $1; commit"
	if got != once+"; "+once+"; no SQL" {
		t.Errorf("statements: %s", got)
	}
	if tx := tap.tracker.Transaction(); len(tx) != 1 {
		t.Errorf("the transaction of a statement alone: %q", tx)
	}
	if _, err := conn.Exec(ctx, "LISTEN gx_test"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "SELECT pg_notify('gx_test', n::text) FROM generate_series(1, 2) AS n"); err != nil {
		t.Fatal(err)
	}
	if n := wire.Notifications(tap.received); n != 2 {
		t.Errorf("%d notifications, want 2", n)
	}
}
