package tokenomics

import (
	"context"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/statement"
)

// standing is where a stream begins.
type standing struct {
	WalletID string `json:"walletId"`
}

// events tells each new line of the caller's statement, with the line's place on
// the ledger as its id.
func (s tokenomics) events(ctx context.Context, _ *walletInput) (door.Feed, error) {
	account, err := s.wallet(ctx)
	if err != nil {
		return door.Feed{}, err
	}
	return door.Feed{Topic: door.AccountTopic(account), Since: func(ctx context.Context, id string) ([]door.Event, bool, error) {
		if id == "" {
			var at readmodel.Cursor
			page, err := readmodel.Statement(ctx, s.Pool, account, readmodel.Filter{Limit: 1})
			if err == nil && len(page.Entries) > 0 {
				at = page.Entries[0].Cursor
			}
			return []door.Event{{ID: at.String(), Name: "ready", Data: standing{account}}}, false, err
		}
		after, err := readmodel.ParseCursor(id)
		if err != nil {
			return nil, false, problem.BadField("Last-Event-ID", "is not the id of an event of this stream")
		}
		entries, err := readmodel.StatementAfter(ctx, s.Pool, account, after)
		if err != nil || len(entries) == 0 {
			return nil, false, err
		}
		lines, err := statement.Lines(ctx, s.Door, entries)
		if err != nil {
			return nil, false, err
		}
		events := make([]door.Event, len(entries))
		for i, e := range entries {
			events[i] = door.Event{ID: e.Cursor.String(), Name: "transaction", Data: lines[i]}
		}
		return events, false, nil
	}}, nil
}
