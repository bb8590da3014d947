package readmodel

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
)

// EntryType says what a statement entry is, seen from its account. It implies
// the direction.
type EntryType string

const (
	Sent             EntryType = "SENT"              // debit
	Received         EntryType = "RECEIVED"          // credit
	Fee              EntryType = "FEE"               // debit of the payer
	FeeCollection    EntryType = "FEE_COLLECTION"    // credit of the operations fund
	Genesis          EntryType = "GENESIS"           // credit of a person
	GovtGenesis      EntryType = "GOVT_GENESIS"      // credit of a treasury
	PoolDisbursement EntryType = "POOL_DISBURSEMENT" // debit of a pool
	Grant            EntryType = "GRANT"             // credit from a pool
	LoanDisbursement EntryType = "LOAN_DISBURSEMENT" // credit of a borrower
	LoanRepayment    EntryType = "LOAN_REPAYMENT"    // debit of whoever repays
	LoanCollection   EntryType = "LOAN_COLLECTION"   // credit of the loan pool
	VelocityTax      EntryType = "TAX"               // debit of the taxed
	TaxCollection    EntryType = "TAX_COLLECTION"    // credit of a treasury or of the redistribution pool
	AdjustmentDebit  EntryType = "ADJUSTMENT_DEBIT"
	AdjustmentCredit EntryType = "ADJUSTMENT_CREDIT"
	Reward           EntryType = "REWARD" // credit from redistributed fees
)

// EntryTypes lists every type.
var EntryTypes = []EntryType{
	Sent, Received, Fee, FeeCollection, Genesis, GovtGenesis, PoolDisbursement, Grant, LoanDisbursement, LoanRepayment, LoanCollection,
	VelocityTax, TaxCollection, AdjustmentDebit, AdjustmentCredit, Reward,
}

// Credit reports whether entries of the type add to the balance.
func (t EntryType) Credit() bool {
	switch t {
	case Received, FeeCollection, Genesis, GovtGenesis, Grant, LoanDisbursement, LoanCollection, TaxCollection, AdjustmentCredit, Reward:
		return true
	}
	return false
}

// Entry is one line of an account's statement: one side of one movement. The
// signed amounts of an account's entries sum to its balance (less the opening,
// for a pool).
type Entry struct {
	AccountID     string
	TransactionID uuid.UUID // of this entry alone, the same after every rebuild
	TxID          string    // ledger transaction
	Type          EntryType
	Counterparty  string
	Amount        qirat.Amount
	Fee           qirat.Amount // on a SENT entry: the fee that its FEE entry debits
	Remark        string
	BalanceAfter  *qirat.Amount // nil for collective accounts
	CommandID     string
	At            time.Time
	Cursor        Cursor `db:"-"`
}

// Cursor is the place of an entry on the ledger: entries have one total order.
type Cursor struct {
	Block   int64
	TxIndex int
	Seq     int
	Entry   int
}

// String returns a text that ParseCursor reads.
func (c Cursor) String() string {
	return fmt.Sprintf("%d.%d.%d.%d", c.Block, c.TxIndex, c.Seq, c.Entry)
}

// ParseCursor reads what Cursor.String wrote.
func ParseCursor(s string) (Cursor, error) {
	var n [4]int64
	parts := strings.Split(s, ".")
	if len(parts) != len(n) {
		return Cursor{}, fmt.Errorf("readmodel: malformed cursor")
	}
	for i, p := range parts {
		bits := 31
		if i == 0 {
			bits = 63
		}
		v, err := strconv.ParseUint(p, 10, bits)
		if err != nil || strconv.FormatUint(v, 10) != p {
			return Cursor{}, fmt.Errorf("readmodel: malformed cursor")
		}
		n[i] = int64(v)
	}
	return Cursor{Block: n[0], TxIndex: int(n[1]), Seq: int(n[2]), Entry: int(n[3])}, nil
}

// Filter narrows a statement. Zero values do not narrow.
type Filter struct {
	Limit        int     // 1 to MaxPage; 0 is DefaultPage
	Before       *Cursor // entries older than this one
	Types        []EntryType
	Counterparty string
	From, To     time.Time // From <= At < To
	Min, Max     qirat.Amount
}

// Page sizes of a statement.
const (
	DefaultPage = 50
	MaxPage     = 100
)

// Page is part of a statement, newest first.
type Page struct {
	Entries []Entry
	Next    *Cursor // Before of the next page, nil on the last
}

// Statement returns a page of an account's statement, newest first. Entries
// that arrive later never move those of the following pages. An account
// without entries, or unknown, has an empty statement.
func Statement(ctx context.Context, db postgres.DB, accountID string, f Filter) (Page, error) {
	var q query
	q.add("account_id = $%d", accountID)
	if c := f.Before; c != nil {
		q.add("(block, tx_index, seq, entry) < ($%d, $%d, $%d, $%d)", c.Block, c.TxIndex, c.Seq, c.Entry)
	}
	oneOf(&q, "type", f.Types)
	if f.Counterparty != "" {
		q.add("counterparty = $%d", f.Counterparty)
	}
	if !f.From.IsZero() {
		q.add("at >= $%d", f.From)
	}
	if !f.To.IsZero() {
		q.add("at < $%d", f.To)
	}
	if f.Min > 0 {
		q.add("amount >= $%d", int64(f.Min))
	}
	if f.Max > 0 {
		q.add("amount <= $%d", int64(f.Max))
	}
	limit := Window{Limit: f.Limit}.limit()
	// One more than asked tells whether a next page exists.
	rows, err := many[statementRow](ctx, db, "statement", statementSelect+q.sql()+`
		ORDER BY block DESC, tx_index DESC, seq DESC, entry DESC LIMIT `+strconv.Itoa(limit+1), q.args...)
	if err != nil {
		return Page{}, err
	}
	var page Page
	if len(rows) > limit {
		rows = rows[:limit]
		page.Next = &rows[limit-1].Cursor
	}
	page.Entries = column(rows, func(r statementRow) Entry {
		r.Entry.Cursor = r.Cursor
		return r.Entry
	})
	return page, nil
}

const statementSelect = `
	SELECT account_id, transaction_id, tx_id, type, counterparty, amount, fee, remark, balance_after, command_id, at, block, tx_index, seq, entry
	FROM read.transactions`

// StatementEntry returns an entry of an account by its transaction id, or
// ErrNotFound. It looks through the account's whole statement.
func StatementEntry(ctx context.Context, db postgres.DB, accountID string, id uuid.UUID) (Entry, error) {
	r, err := one[statementRow](ctx, db, "entry", statementSelect+` WHERE account_id = $1 AND transaction_id = $2`, accountID, id)
	r.Entry.Cursor = r.Cursor
	return r.Entry, err
}

// StatementAfter returns the first entries of an account's statement that are
// newer than after, oldest first, MaxPage at most.
func StatementAfter(ctx context.Context, db postgres.DB, accountID string, after Cursor) ([]Entry, error) {
	rows, err := many[statementRow](ctx, db, "statement", statementSelect+`
		WHERE account_id = $1 AND (block, tx_index, seq, entry) > ($2, $3, $4, $5)
		ORDER BY block, tx_index, seq, entry LIMIT `+strconv.Itoa(MaxPage), accountID, after.Block, after.TxIndex, after.Seq, after.Entry)
	if err != nil {
		return nil, err
	}
	return column(rows, func(r statementRow) Entry {
		r.Entry.Cursor = r.Cursor
		return r.Entry
	}), nil
}

// Moved returns those of accounts that have entries after a position.
func Moved(ctx context.Context, db postgres.DB, after Position, accounts []string) ([]string, error) {
	rows, err := db.Query(ctx, `SELECT DISTINCT account_id FROM read.transactions
		WHERE block >= $1 AND (block, tx_index) > ($1, $2) AND account_id = ANY($3)`, after.Block, after.TxIndex, accounts)
	if err != nil {
		return nil, fmt.Errorf("read moved accounts: %w", err)
	}
	moved, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read moved accounts: %w", err)
	}
	return moved, nil
}

type statementRow struct {
	Entry
	Cursor
}

// addEntry adds a line of the event to a statement; n numbers the lines of one
// event, a later line having the higher number.
func (p *Projection) addEntry(m meta, n int, e Entry) {
	e.TransactionID = uuid.NewSHA1(entryNamespace, fmt.Appendf(nil, "%s/%d/%d", m.txID, m.seq, n))
	e.TxID, e.CommandID, e.At = m.txID, m.commandID, m.at
	p.entries = append(p.entries, statementRow{e, Cursor{m.block, m.txIndex, m.seq, n}})
}

var entryNamespace = uuid.MustParse("6f1d2c3a-5e0b-5c1e-9a55-6778636f696e")

func transferCompleted(p *Projection, m meta, e *event.TransferCompleted) error {
	debit, err := e.Amount.Add(e.Fee)
	if err != nil || e.ReceiverFee > e.Amount || e.NetReceived != e.Amount-e.ReceiverFee || e.ReceiverFee != 0 || (e.Fee > 0) != (e.FeeRecipient != "") {
		return misfit("amount %s, fee %s to %q, receiver fee %s and net %s do not balance", e.Amount, e.Fee, e.FeeRecipient, e.ReceiverFee, e.NetReceived)
	}
	var beforeFee *qirat.Amount
	if account.IsCollective(e.FromID) {
		err = p.debit(m, e.FromID, debit)
	} else if e.FromBalanceAfter == nil {
		err = misfit("the balance of %s is not stated", e.FromID)
	} else {
		p.setBalance(m, e.FromID, e.FromKind, e.SenderCountry, *e.FromBalanceAfter, e.FromVelocityTimerStart)
		v, rangeErr := e.FromBalanceAfter.Add(e.Fee)
		if rangeErr != nil {
			err = misfit("the balance of %s before the fee: %v", e.FromID, rangeErr)
		}
		beforeFee = &v
	}
	if err != nil {
		return err
	}
	if account.IsCollective(e.ToID) {
		err = p.credit(m, e.ToID, e.NetReceived)
	} else if e.ToBalanceAfter == nil {
		err = misfit("the balance of %s is not stated", e.ToID)
	} else {
		p.setBalance(m, e.ToID, e.ToKind, e.RecipientCountry, *e.ToBalanceAfter, e.ToVelocityTimerStart)
	}
	if err != nil {
		return err
	}
	p.addEntry(m, 0, Entry{AccountID: e.FromID, Type: Sent, Counterparty: e.ToID, Amount: e.Amount, Fee: e.Fee, Remark: e.Remark, BalanceAfter: beforeFee})
	p.addEntry(m, 1, Entry{AccountID: e.ToID, Type: Received, Counterparty: e.FromID, Amount: e.NetReceived, Remark: e.Remark, BalanceAfter: e.ToBalanceAfter})
	if e.Fee == 0 {
		return nil
	}
	p.addEntry(m, 2, Entry{AccountID: e.FromID, Type: Fee, Counterparty: e.FeeRecipient, Amount: e.Fee, BalanceAfter: e.FromBalanceAfter})
	p.addEntry(m, 3, Entry{AccountID: e.FeeRecipient, Type: FeeCollection, Counterparty: e.FromID, Amount: e.Fee})
	return p.credit(m, e.FeeRecipient, e.Fee)
}

func internalTransfer(p *Projection, m meta, e *event.InternalTransfer) error {
	credit := AdjustmentCredit
	if e.Type == command.FeeRedistribution {
		credit = Reward
	}
	p.addEntry(m, 0, Entry{AccountID: e.FromID, Type: AdjustmentDebit, Counterparty: e.ToID, Amount: e.Amount, Remark: e.Remark, BalanceAfter: e.FromBalanceAfter})
	p.addEntry(m, 1, Entry{AccountID: e.ToID, Type: credit, Counterparty: e.FromID, Amount: e.Amount, Remark: e.Remark, BalanceAfter: e.ToBalanceAfter})
	if err := p.payer(m, e.FromID, e.Amount, e.FromBalanceAfter, e.FromVelocityTimerStart); err != nil {
		return err
	}
	return p.payee(m, e.ToID, e.Amount, e.ToBalanceAfter, e.ToVelocityTimerStart)
}

func (p *Projection) flushEntries(b *batch) {
	r := p.entries
	if len(r) == 0 {
		return
	}
	b.exec(len(r), "transactions", `
		INSERT INTO read.transactions (account_id, block, tx_index, seq, entry, transaction_id, tx_id, type, counterparty,
		                               amount, fee, remark, balance_after, command_id, at)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[], $4::int[], $5::int[], $6::uuid[], $7::text[], $8::text[], $9::text[],
		                     $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::text[], $15::timestamptz[])`,
		column(r, func(e statementRow) string { return e.AccountID }),
		column(r, func(e statementRow) int64 { return e.Cursor.Block }),
		column(r, func(e statementRow) int { return e.Cursor.TxIndex }),
		column(r, func(e statementRow) int { return e.Cursor.Seq }),
		column(r, func(e statementRow) int { return e.Cursor.Entry }),
		column(r, func(e statementRow) [16]byte { return e.TransactionID }),
		column(r, func(e statementRow) string { return e.TxID }),
		column(r, func(e statementRow) string { return string(e.Type) }),
		column(r, func(e statementRow) string { return e.Counterparty }),
		column(r, func(e statementRow) int64 { return int64(e.Amount) }),
		column(r, func(e statementRow) int64 { return int64(e.Entry.Fee) }),
		column(r, func(e statementRow) string { return e.Remark }),
		column(r, func(e statementRow) *int64 { return signed(e.BalanceAfter) }),
		column(r, func(e statementRow) string { return e.CommandID }),
		column(r, func(e statementRow) time.Time { return e.At }))
}

func signed(a *qirat.Amount) *int64 {
	if a == nil {
		return nil
	}
	v := int64(*a)
	return &v
}
