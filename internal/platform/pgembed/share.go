package pgembed

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// share returns the server that another process of ours runs, nil while it is
// not ready.
func (c *cluster) share(ctx context.Context) *Server {
	pm, err := readPostmaster(c.data)
	if err != nil || pm.socket == "" || !serves(pm.pid, c.data) {
		return nil
	}
	conn, err := pgx.Connect(ctx, dsn(pm.socket, database))
	if err != nil {
		return nil
	}
	if err := conn.Close(ctx); err != nil {
		return nil
	}
	s := &Server{
		dsn: dsn(pm.socket, database), pid: pm.pid,
		done: make(chan struct{}), stopping: make(chan struct{}),
	}
	s.shutdown = func(context.Context) error { return nil }
	go func() {
		tick := time.NewTicker(10 * poll)
		defer tick.Stop()
		for {
			select {
			case <-s.stopping:
				return
			case <-tick.C:
				if !serves(pm.pid, c.data) {
					close(s.done)
					return
				}
			}
		}
	}()
	return s
}
