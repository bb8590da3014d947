package verifier

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/qirat"
)

var moneyKinds = []kind{
	{
		object: "acct", table: "read.accounts", rows: accountRows + " WHERE a.account_id = k.k1", walk: over("read.accounts", "account_id"),
		want:  object(func(_ []string, a *contract.Account) fields { return showAccount(a, contract.Flow{}) }),
		live:  func(u unit) bool { return account.IsCollective(u.key[0]) },
		fetch: fetchAccount, asOf: accountAsOf,
	},
	{
		object: "bd", table: "read.transactions", want: object(func(_ []string, f *contract.Flow) fields { return fields{"in": f.In, "out": f.Out} }),
		rows: `SELECT coalesce(sum(e.amount) FILTER (WHERE ` + credits + `), 0)::bigint AS "in", coalesce(sum(e.amount) FILTER (WHERE NOT ` + credits + `), 0)::bigint AS "out"
			FROM ` + entriesOfTx + ` HAVING count(*) > 0`,
		forgets: true, // compaction folds them
	},
	{
		object: "tx", table: "read.transactions", attrs: 3, want: showHistory,
		rows: `SELECT array_agg(concat_ws('|', e.type, e.counterparty, e.amount, e.fee, e.remark, coalesce(e.balance_after::text, ''),
			floor(extract(epoch FROM e.at))::bigint) ORDER BY e.seq, e.entry) AS lines FROM ` + entriesOfTx + ` HAVING count(*) > 0`,
		walk: &walk{from: "read.transactions", columns: []string{"account_id", "block", "tx_index", "tx_id", "at"}, unit: historyUnit},
	},
}

const accountRows = `
	SELECT a.account_id, a.kind, a.country, a.status, a.frozen_reason, a.frozen_at, a.balance, a.velocity_timer_start, a.tax_exempt, a.last_taxed_at,
	       u.status AS person_status, t.org_id AS owner, t.status AS treasury_status, p.opening, p.received, p.distributed
	FROM read.accounts a
	LEFT JOIN read.users u ON u.user_id = a.account_id
	LEFT JOIN read.treasuries t ON t.account_id = a.account_id
	LEFT JOIN read.pools p ON p.account_id = a.account_id`

// entriesOfTx are the entries of an account from one ledger transaction: the
// log knows where that is.
const entriesOfTx = `read.transactions e WHERE e.account_id = k.k1 AND e.tx_id = k.k2
	AND (e.block, e.tx_index) = (SELECT l.block, l.tx_index FROM read.event_log l WHERE l.tx_id = k.k2 ORDER BY l.seq LIMIT 1)`

// credits is the condition of an entry that adds to the balance.
var credits = func() string {
	var list []string
	for _, t := range readmodel.EntryTypes {
		if t.Credit() {
			list = append(list, "'"+string(t)+"'")
		}
	}
	return "e.type IN (" + strings.Join(list, ", ") + ")"
}()

func showAccount(a *contract.Account, f contract.Flow) fields {
	row := fields{
		"kind": a.Kind, "country": a.Country, "status": a.Status, "frozen_reason": a.FrozenReason, "frozen_at": a.FrozenAt,
		"velocity_timer_start": a.VelocityTaxTimerStart, "tax_exempt": a.VelocityTaxExempt, "last_taxed_at": a.VelocityTaxLastCheck,
		"balance": qirat.Amount(uint64(a.Balance) + uint64(f.In) - uint64(f.Out)),
	}
	switch a.Kind {
	case account.Individual:
		row["person_status"] = a.Status
	case account.Treasury:
		row["owner"], row["treasury_status"] = a.Owner, readmodel.TreasuryLocked
		if a.Owner != "" {
			row["treasury_status"] = readmodel.TreasuryActive
		}
	case account.System:
		row["opening"], row["received"], row["distributed"] = a.Balance, f.In, f.Out
	}
	return row
}

// fetchAccount reads an account with all its delta rows as of one block.
func fetchAccount(ctx context.Context, p *pass, u unit) (fields, error) {
	var x contract.AccountExport
	if err := p.evaluate(ctx, &x, contract.ExportAccountFunction, u.attrs[0]); err != nil || x.Account == nil {
		return nil, err
	}
	return showAccount(x.Account, x.Flow), nil
}

// accountAsOf returns the row of an account with the money that it had at each
// height: what the statement says has moved since is undone.
func accountAsOf(ctx context.Context, p *pass, u unit, from, to uint64) ([]fields, error) {
	rows, err := p.query(ctx, strings.Replace(accountRows, "SELECT", `SELECT ARRAY(
			SELECT ARRAY[e.block, coalesce(sum(e.amount) FILTER (WHERE `+credits+`), 0), coalesce(sum(e.amount) FILTER (WHERE NOT `+credits+`), 0)]::bigint[]
			FROM read.transactions e WHERE e.account_id = a.account_id AND e.block >= $2 GROUP BY e.block ORDER BY e.block DESC) AS moves,`, 1)+
		" WHERE a.account_id = $1", u.key[0], int64(from))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	row := rows[0]
	moves, err := movements(row["moves"])
	if err != nil {
		return nil, fmt.Errorf("verifier: account %s: %w", u.key[0], err)
	}
	var out []fields
	for height := to; ; height-- {
		past := make(fields, len(row))
		for name, v := range row {
			past[name] = v
		}
		for _, m := range moves {
			if uint64(m[0]) < height {
				break
			}
			past["balance"] = past["balance"].(int64) - m[1] + m[2]
			if _, pool := row["received"].(int64); pool {
				past["received"] = past["received"].(int64) - m[1]
				past["distributed"] = past["distributed"].(int64) - m[2]
			}
		}
		out = append(out, past)
		if height <= from {
			return out, nil
		}
	}
}

// movements reads an array of triples, which the driver gives flat or nested.
func movements(v any) ([][3]int64, error) {
	var flat []int64
	var collect func(v any) error
	collect = func(v any) error {
		switch v := v.(type) {
		case nil:
		case int64:
			flat = append(flat, v)
		case []any:
			for _, x := range v {
				if err := collect(x); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("movements are %T", v)
		}
		return nil
	}
	if err := collect(v); err != nil {
		return nil, err
	}
	var out [][3]int64
	for chunk := range slices.Chunk(flat, 3) {
		if len(chunk) < 3 {
			return nil, fmt.Errorf("movements are %v", v)
		}
		out = append(out, [3]int64(chunk))
	}
	return out, nil
}

// line is an entry of a statement as it must be.
type line struct {
	kind         readmodel.EntryType
	counterparty string
	amount, fee  qirat.Amount
	remark       string
	after        *qirat.Amount
	at           time.Time
}

func (l line) String() string {
	after := ""
	if l.after != nil {
		after = l.after.String()
	}
	return strings.Join([]string{string(l.kind), l.counterparty, l.amount.String(), l.fee.String(), l.remark, after, strconv.FormatInt(l.at.Unix(), 10)}, "|")
}

// showHistory makes the entries of an account from the lines that one
// transaction wrote into its history.
func showHistory(objects []contract.Exported) (unit, fields, error) {
	attrs := objects[0].Key[1:]
	records := make([]*contract.TxRecord, len(objects))
	for i, o := range objects {
		r, err := contract.HistoryRecord(o)
		if err != nil {
			return unit{}, nil, err
		}
		records[len(objects)-1-i] = r // the newest comes first
	}
	var lines []string
	for i := 0; i < len(records); i++ {
		r := records[i]
		if r.Type == contract.EntryVelocityTax && r.FromID == attrs[0] && i+1 < len(records) && records[i+1].Type == r.Type {
			// One tax, paid in two parts.
			both := *records[i+1]
			both.ToID, both.Amount = r.ToID, both.Amount+r.Amount
			r = &both
			i++
		}
		entries, err := entriesOf(attrs[0], r)
		if err != nil {
			return unit{}, nil, err
		}
		for _, l := range entries {
			lines = append(lines, l.String())
		}
	}
	u := unit{attrs[:3], []string{attrs[0], attrs[2]}}
	if lines == nil {
		return u, nil, nil
	}
	return u, fields{"lines": lines}, nil
}

// entryTypes say how a movement is called in the statements of who pays and who
// receives.
var entryTypes = map[contract.EntryType][2]readmodel.EntryType{
	contract.EntryTransfer:         {readmodel.Sent, readmodel.Received},
	contract.EntryOrgTransfer:      {readmodel.Sent, readmodel.Received},
	contract.EntryGenesis:          {readmodel.PoolDisbursement, readmodel.Genesis},
	contract.EntryGovtGenesis:      {readmodel.PoolDisbursement, readmodel.GovtGenesis},
	contract.EntryFee:              {"", readmodel.FeeCollection},
	contract.EntryVelocityTax:      {readmodel.VelocityTax, readmodel.TaxCollection},
	contract.EntryLoanDisbursement: {readmodel.PoolDisbursement, readmodel.LoanDisbursement},
	contract.EntryLoanRepayment:    {readmodel.LoanRepayment, readmodel.LoanCollection},
	contract.EntryPoolDisbursement: {readmodel.PoolDisbursement, readmodel.Grant},
	contract.EntryAdjustment:       {readmodel.AdjustmentDebit, readmodel.AdjustmentCredit},
}

// entriesOf returns the entries that a line of an account's history becomes.
func entriesOf(id string, r *contract.TxRecord) ([]line, error) {
	types, ok := entryTypes[r.Type]
	if !ok {
		return nil, fmt.Errorf("a movement of the unknown type %q", r.Type)
	}
	l := line{kind: types[1], counterparty: r.FromID, amount: r.Amount, remark: r.Remark, after: r.BalanceAfter, at: r.At}
	if r.FromID == id {
		l.kind, l.counterparty = types[0], r.ToID
	}
	switch {
	case r.Type == contract.EntryAdjustment && r.ToID == id && r.Ref == string(command.FeeRedistribution):
		l.kind = readmodel.Reward
	case r.Type == contract.EntryLoanDisbursement || r.Type == contract.EntryLoanRepayment:
		l.remark = r.Ref
	}
	if l.kind != readmodel.Sent {
		return []line{l}, nil
	}
	l.fee = r.Fee
	if r.Fee == 0 {
		return []line{l}, nil
	}
	if r.BalanceAfter != nil {
		before := *r.BalanceAfter + r.Fee
		l.after = &before
	}
	return []line{l, {kind: readmodel.Fee, counterparty: account.OperationsFund, amount: r.Fee, after: r.BalanceAfter, at: r.At}}, nil
}

// historyUnit returns where the ledger keeps the lines of a transaction.
func historyUnit(columns []any) (unit, bool) {
	id, tx, at := columns[0].(string), columns[3].(string), columns[4].(time.Time)
	return unit{[]string{id, fmt.Sprintf("%020d", math.MaxUint64-uint64(at.Unix())), tx}, []string{id, tx}}, true
}
