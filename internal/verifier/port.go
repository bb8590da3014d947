package verifier

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/role"
)

// pollInterval is how often a wait looks again.
const pollInterval = 20 * time.Millisecond

// height returns the number of blocks on the ledger.
func (p *pass) height(ctx context.Context) (h uint64, err error) {
	err = p.patiently(ctx, func() error {
		h, err = p.ledger.Height(ctx)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("verifier: height of the ledger: %w", err)
	}
	return h, nil
}

// evaluate runs a query of the contracts and reads its result.
func (p *pass) evaluate(ctx context.Context, result any, function string, args ...string) error {
	var data []byte
	err := p.patiently(ctx, func() (err error) {
		data, err = p.ledger.Evaluate(ctx, ledger.Proposal{Identity: role.PartnerAPI, Function: function, Args: args})
		return err
	})
	if err != nil {
		return fmt.Errorf("verifier: %s: %w", function, err)
	}
	if err := json.Unmarshal(data, result, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("verifier: %s: %w", function, err)
	}
	return nil
}

// patiently repeats a call while the ledger is out of reach.
func (p *pass) patiently(ctx context.Context, call func() error) error {
	until := time.Now().Add(p.o.Patience)
	for {
		err := call()
		if err == nil || !errors.Is(err, ledger.ErrUnavailable) || time.Now().After(until) {
			return err
		}
		if pause(ctx, p.o.Confirm) != nil {
			return err
		}
	}
}

// export reads a page of the keys with a prefix: the object type and maybe the
// first attributes.
func (p *pass) export(ctx context.Context, prefix []string, bookmark string) (contract.ExportPage, error) {
	var page contract.ExportPage
	text, err := json.Marshal(prefix)
	if err != nil {
		return page, fmt.Errorf("verifier: prefix %q: %w", prefix, err)
	}
	err = p.evaluate(ctx, &page, contract.ExportFunction, string(text), strconv.Itoa(contract.MaxExport), bookmark)
	return page, err
}

// objects reads all keys with a prefix.
func (p *pass) objects(ctx context.Context, prefix []string) ([]contract.Exported, error) {
	var all []contract.Exported
	for bookmark := ""; ; {
		page, err := p.export(ctx, prefix, bookmark)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if bookmark = page.Bookmark; bookmark == "" {
			return all, nil
		}
	}
}

// await waits until the read model has all blocks below a height.
func (p *pass) await(ctx context.Context, height uint64) error {
	until := time.Now().Add(p.o.Patience)
	for {
		c, err := readmodel.Checkpoint(ctx, p.db)
		switch {
		case err != nil:
			return fmt.Errorf("verifier: %w", err)
		case c.Block+1 >= int64(height):
			return nil
		case time.Now().After(until):
			why := c.State
			if c.Reason != "" {
				why += ": " + c.Reason
			}
			return fmt.Errorf("%w: it has %d of %d blocks after %s (%s)", ErrBehind, c.Block+1, height, p.o.Patience, why)
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}
