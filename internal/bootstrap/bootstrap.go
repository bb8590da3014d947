// Package bootstrap gives an empty system what it needs before anybody can use
// it: the names of the countries, the first member of staff and, once, the
// opening of the ledger. Every step can be repeated at any time, by several
// processes at once.
package bootstrap

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/admin"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/country"
	"gxcoin.money/gx/protocol/event"
)

// Principal is who opens the ledger, in place of a member of staff.
const Principal = "system:bootstrap"

// poll is how often the end of a command is looked for.
const poll = 20 * time.Millisecond

// Countries stores the names and regions of the countries of this release.
func Countries(ctx context.Context, db postgres.DB) error {
	var codes, names, regions []string
	for _, c := range country.All() {
		codes, names, regions = append(codes, c.Code), append(names, c.Name), append(regions, c.Region)
	}
	_, err := db.Exec(ctx, `
		INSERT INTO app.countries (country_code, name, region) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
		ON CONFLICT (country_code) DO UPDATE SET name = excluded.name, region = excluded.region
		WHERE (countries.name, countries.region) <> (excluded.name, excluded.region)`, codes, names, regions)
	if err != nil {
		return fmt.Errorf("store the countries: %w", err)
	}
	return nil
}

// Ledger opens the ledger, with its pools, parameters and countries, unless that
// was done before, and returns when the read model shows it. A submitter and a
// projector must be running. The pool needs the role gx_service.
func Ledger(ctx context.Context, pool *pgxpool.Pool, box *outbox.Outbox) (opened bool, err error) {
	state, err := readmodel.SystemStatus(ctx, pool)
	if err != nil {
		return false, err
	}
	countries, err := readmodel.Countries(ctx, pool)
	if err != nil {
		return false, err
	}
	if state.Bootstrapped && len(countries) > 0 {
		return false, nil
	}
	ids, err := enqueue(ctx, pool, box)
	if err != nil {
		return false, fmt.Errorf("open the ledger: %w", err)
	}
	for _, id := range ids {
		if err := settled(ctx, pool, id); err != nil {
			return false, fmt.Errorf("open the ledger: %w", err)
		}
	}
	return true, nil
}

// enqueue stores both commands in one transaction, so that no crash opens a
// ledger without its countries. They share a lane: the opening is applied first.
func enqueue(ctx context.Context, pool *pgxpool.Pool, box *outbox.Outbox) (ids []uuid.UUID, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		for _, p := range []command.Payload{&command.BootstrapSystem{}, command.AllCountries()} {
			id, err := uuid.NewV7()
			if err != nil {
				return err
			}
			accepted, err := box.Enqueue(ctx, tx, outbox.Request{
				ID: id, Payload: p, Principal: Principal, Route: "bootstrap", Key: string(p.CommandType()), Body: []byte("{}"), Response: []byte("{}"),
			})
			if err != nil {
				return err
			}
			ids = append(ids, accepted.ID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	box.Wake()
	return ids, nil
}

// settled waits for the end of a command. Somebody else may have been faster.
func settled(ctx context.Context, db postgres.DB, id uuid.UUID) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	last := "its command was not looked at"
	for {
		c, err := outbox.Find(ctx, db, id)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", last, context.Cause(ctx))
		case err != nil:
			return err
		case c.Result != nil && (c.Result.Outcome == event.Applied || c.Result.Code == "ALREADY_EXISTS"):
			return nil
		case c.Result != nil:
			return fmt.Errorf("the ledger refused %s: %s: %s", c.Type, c.Result.Code, c.Result.Message)
		case c.State == outbox.Dead || c.State == outbox.Cancelled:
			return fmt.Errorf("%s is %s: %s", c.Type, c.State, c.Error)
		}
		last = fmt.Sprintf("%s is %s after %s", c.Type, c.State, attempts(c))
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func attempts(c outbox.Command) string {
	s := fmt.Sprintf("%d attempts", c.Attempts)
	if c.Error != "" {
		s += ", the last failed with: " + c.Error
	}
	return s
}

// Staff makes the account of the first member of staff, with every right,
// unless there is staff. keep stores the password; the account exists only
// when that succeeded.
func Staff(ctx context.Context, pool *pgxpool.Pool, hasher *password.Hasher, username string, keep func(secret string) error) (created bool, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var secret string
		if secret, created, err = admin.CreateFirstStaff(ctx, tx, hasher, username); err != nil || !created {
			return err
		}
		return keep(secret)
	})
	return created && err == nil, err
}
