package main

import (
	"context"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/service"
)

// maintenanceEvery is how often what falls due by time alone is looked for.
const maintenanceEvery = time.Minute

// upkeep does what goes with the admin service: it seals the audit trail, one
// process at a time, and lets expire what has had its time.
func (s *process) upkeep(ctx context.Context, f *front) error {
	pool, err := s.pool(ctx, postgres.Options{Role: "gx_sealer", MaxConns: 2})
	if err != nil {
		return err
	}
	sealer, err := audit.NewSealer(pool, audit.Options{Holder: uuid.NewString(), Log: s.log.With("component", "sealer"), Registerer: s.ops.Registry()})
	if err != nil {
		return err
	}
	s.group.Go(stageWorkers, "sealer", sealer.Run)
	s.group.Go(stageWorkers, "maintenance", func(ctx context.Context) error {
		return service.RunMaintenance(ctx, f.pool, clock.System, maintenanceEvery, s.log.With("component", "maintenance"))
	})
	return nil
}
