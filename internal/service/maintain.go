package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
)

// Maintain does once what falls due by time alone. It needs the role gx_service,
// and may be done by several processes at once.
func Maintain(ctx context.Context, pool *pgxpool.Pool, c clock.Clock) error {
	return errors.Join(door.Sweep(ctx, pool, c()), people.EraseDue(ctx, pool, c()))
}

// RunMaintenance does it again and again until ctx ends, whose error it returns.
func RunMaintenance(ctx context.Context, pool *pgxpool.Pool, c clock.Clock, every time.Duration, log *slog.Logger) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := Maintain(ctx, pool, c); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "maintenance failed, will be tried again", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
