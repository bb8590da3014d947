package main

import (
	"context"
	"fmt"

	"gxcoin.money/gx/internal/platform/postgres"
)

type migrateCmd struct {
	databaseSettings `embed:""`
}

// Run migrates the database. It can be repeated, and run by several at once.
func (c migrateCmd) Run(ctx context.Context, p *program) error {
	applied, err := postgres.Migrate(ctx, c.DatabaseURL.Reveal())
	if err != nil {
		return err
	}
	schema, err := postgres.Latest()
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "The schema is at version %d, %s applied.\n", schema, count(int64(applied), "migration"))
	return nil
}
