// Package readmodel holds the tables that answer reads (schema read), one file
// a domain: what the events of the ledger do to its tables beside the queries
// that read them (domain.md 6.3). A [Projection] is written by the projector
// alone; the queries take any [postgres.DB], so they run in a pool or join the
// caller's transaction.
//
// Everything here is derived from ledger events and can be rebuilt from them:
// times are the ledger's, balances of people and organizations are those that
// the events state, and balances of collective accounts (pools, treasuries) are
// sums of the movements that the events state.
package readmodel

import (
	"errors"
	"fmt"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/event"
)

var (
	// ErrNotFound reports that the read model has no such row (yet).
	ErrNotFound = errors.New("readmodel: not found")
	// ErrData reports events that do not fit the read model: applying them
	// again gives the same error.
	ErrData = errors.New("readmodel: the events do not fit")
)

// Tx is a valid ledger transaction with its envelope decoded.
type Tx struct {
	ID       string
	Block    uint64
	Index    int
	At       time.Time // the proposal's timestamp
	Commands []event.CommandResult
	Events   []Event
}

// Event is one decoded event of a transaction.
type Event struct {
	event.Record
	Content event.Event
}

// Position is how far the ledger has been applied: the transaction and all
// before it. Before the first block it is Origin.
type Position struct {
	Block   int64
	TxIndex int    // -1 when nothing of the block is applied, or the block is empty
	Hash    []byte // of Block, empty at Origin
}

// Origin is the position of an empty read model.
var Origin = Position{Block: -1, TxIndex: -1, Hash: []byte{}}

func misfit(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrData, fmt.Sprintf(format, args...))
}

// classified marks the errors that PostgreSQL raises because of the data.
func classified(err error) error {
	if postgres.IsDataError(err) {
		return fmt.Errorf("%w: %w", ErrData, err)
	}
	return err
}
