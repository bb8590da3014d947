// Package statement shows the statement of an account as the doors of people and
// of organizations do (api.md C.5).
package statement

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/account"
)

// Transaction is one line of a statement.
type Transaction struct {
	OffTxID          string    `json:"offTxId" format:"uuid" doc:"Of this line"`
	OnChainTxID      string    `json:"onChainTxId" doc:"Of the ledger transaction"`
	WalletID         string    `json:"walletId"`
	Type             string    `json:"type" example:"SENT"`
	Direction        string    `json:"direction" enum:"IN,OUT"`
	Counterparty     string    `json:"counterparty"`
	CounterpartyName string    `json:"counterpartyName,omitzero"`
	Amount           string    `json:"amount" doc:"Qirat"`
	AmountGx         string    `json:"amountGx"`
	Fee              string    `json:"fee" doc:"Qirat; debited by a line of its own"`
	FeeGx            string    `json:"feeGx"`
	Remark           string    `json:"remark,omitzero"`
	BalanceAfter     string    `json:"balanceAfter,omitzero" doc:"Qirat"`
	CommandID        string    `json:"commandId,omitzero"`
	BlockNumber      string    `json:"blockNumber"`
	Timestamp        door.Time `json:"timestamp"`
}

// Statement is a page of a statement, newest first.
type Statement struct {
	Transactions []Transaction `json:"transactions"`
	NextCursor   string        `json:"nextCursor,omitzero"`
	HasMore      bool          `json:"hasMore"`
}

// Read returns a page of the statement of an account.
func Read(ctx context.Context, d *door.Door, accountID string, q Query) (Statement, error) {
	f, err := q.filter()
	if err != nil {
		return Statement{}, err
	}
	page, err := readmodel.Statement(ctx, d.Pool, accountID, f)
	if err != nil {
		return Statement{}, err
	}
	out := Statement{}
	if out.Transactions, err = Lines(ctx, d, page.Entries); err != nil {
		return Statement{}, err
	}
	if page.Next != nil {
		out.HasMore, out.NextCursor = true, page.Next.String()
	}
	return out, nil
}

// Lines shows entries of a statement.
func Lines(ctx context.Context, d *door.Door, entries []readmodel.Entry) ([]Transaction, error) {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Counterparty
	}
	names, err := Names(ctx, d, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Transaction, len(entries))
	for i, e := range entries {
		out[i] = line(e, names[e.Counterparty])
	}
	return out, nil
}

func line(e readmodel.Entry, name string) Transaction {
	t := Transaction{
		OffTxID: e.TransactionID.String(), OnChainTxID: e.TxID, WalletID: e.AccountID, Type: string(e.Type), Direction: "OUT",
		Counterparty: e.Counterparty, CounterpartyName: name, Amount: e.Amount.String(), AmountGx: e.Amount.GX(),
		Fee: e.Fee.String(), FeeGx: e.Fee.GX(), Remark: e.Remark, CommandID: e.CommandID,
		BlockNumber: strconv.FormatInt(e.Cursor.Block, 10), Timestamp: door.Time{Time: e.At},
	}
	if e.Type.Credit() {
		t.Direction = "IN"
	}
	if e.BalanceAfter != nil {
		t.BalanceAfter = e.BalanceAfter.String()
	}
	return t
}

// Names returns what counterparties may call accounts; one without a name is left out.
func Names(ctx context.Context, d *door.Door, ids []string) (map[string]string, error) {
	names, err := people.DisplayNames(ctx, d.Pool, d.Fields, ids)
	if err != nil {
		return nil, err
	}
	rows, err := d.Pool.Query(ctx, `SELECT org_id, name FROM read.organizations WHERE org_id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	var id, name string
	if _, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		names[id] = name
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	for _, id := range ids {
		if name := institution(id); name != "" {
			names[id] = name
		}
	}
	return names, nil
}

// institution returns the name of a pool or treasury, "" for anything else.
func institution(id string) string {
	if code, ok := account.TreasuryCountry(id); ok {
		return strings.TrimSpace("Treasury of " + people.Countries[code].Name)
	}
	for _, p := range account.Pools {
		if p.Account == id {
			words := strings.ToLower(strings.ReplaceAll(p.Name, "_", " "))
			return strings.ToUpper(words[:1]) + words[1:] + " pool"
		}
	}
	return ""
}
