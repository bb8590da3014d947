package readmodel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrBusy reports statements at work on a read model that is to be swapped.
var ErrBusy = errors.New("readmodel: the read model is in use")

// aside is the name of the live read model in the middle of a swap.
const aside = "read_aside"

// Swap makes the read model of a schema the live one, and the one that was live
// Previous. Unless it is Previous that becomes live, there may be none.
//
// It locks every table of both, so that no statement and no prepared plan sees
// some of one and some of the other; statements that come meanwhile wait, and
// find the new ones. When those at work don't let it lock within a time, it fails
// with ErrBusy, and nobody has waited for longer. It needs the rights of the owner.
func Swap(ctx context.Context, tx pgx.Tx, schema string, within time.Duration) error {
	live, err := tables(ctx, tx, Live)
	if err != nil {
		return err
	}
	other, err := tables(ctx, tx, schema)
	if err != nil {
		return err
	}
	rename := func(from, to string) string {
		return `ALTER SCHEMA ` + pgx.Identifier{from}.Sanitize() + ` RENAME TO ` + pgx.Identifier{to}.Sanitize()
	}
	for _, sql := range []string{
		fmt.Sprintf(`SET LOCAL statement_timeout = %d`, within.Milliseconds()),
		`LOCK TABLE ` + strings.Join(append(qualified(Live, live), qualified(schema, other)...), ", ") + ` IN ACCESS EXCLUSIVE MODE`,
		`SET LOCAL statement_timeout = 0`,
		rename(Live, aside), rename(schema, Live), rename(aside, Previous),
	} {
		_, err := tx.Exec(ctx, sql)
		if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && pg.Code == "57014" {
			return fmt.Errorf("%w: %w", ErrBusy, err)
		}
		if err != nil {
			return fmt.Errorf("swap the read model %s: %w", schema, err)
		}
	}
	return nil
}
