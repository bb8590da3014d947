package tokenomics

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/statement"
	"gxcoin.money/gx/protocol/velocity"
)

// recent is how many lines of a statement a dashboard shows.
const recent = 10

// VelocityTimer is how long the money of a wallet has rested, and what it costs
// when it goes on. Amounts are Qirat; the Gx members are for people.
type VelocityTimer struct {
	Running     bool       `json:"running" doc:"The balance is taxed when it rests until dueAt"`
	Exempt      bool       `json:"exempt"`
	StartedAt   *door.Time `json:"startedAt,omitzero"`
	DueAt       *door.Time `json:"dueAt,omitzero"`
	DaysHeld    int        `json:"daysHeld"`
	RateBps     uint64     `json:"rateBps" doc:"Basis points of the whole balance"`
	ExpectedTax string     `json:"expectedTax" doc:"Of the balance as it is now"`
	ExpectedGx  string     `json:"expectedTaxGx"`
}

type dashboardOutput struct {
	Body struct {
		Wallet             Balance                 `json:"wallet"`
		VelocityTax        VelocityTimer           `json:"velocityTax"`
		RecentTransactions []statement.Transaction `json:"recentTransactions" doc:"The last 10 lines of the statement, newest first"`
	}
}

func (s tokenomics) dashboard(ctx context.Context, in *walletInput) (*dashboardOutput, error) {
	balance, err := s.balance(ctx, in)
	if err != nil {
		return nil, err
	}
	var out dashboardOutput
	out.Body.Wallet = balance.Body.Balance
	if out.Body.VelocityTax, err = s.timer(ctx, out.Body.Wallet.WalletID); err != nil {
		return nil, err
	}
	last, err := statement.Read(ctx, s.Door, out.Body.Wallet.WalletID, statement.Query{Paging: door.Paging{Limit: recent}})
	out.Body.RecentTransactions = last.Transactions
	return &out, err
}

func (s tokenomics) timer(ctx context.Context, id string) (VelocityTimer, error) {
	schedule, err := s.rates.Velocity(ctx)
	if err != nil {
		return VelocityTimer{}, err
	}
	a, err := readmodel.Tax(ctx, s.Pool, id)
	if err != nil {
		return VelocityTimer{}, err
	}
	var due velocity.Assessment
	if !a.TaxExempt {
		due, err = schedule.Assess(a.Balance, a.VelocityTimerStart, s.Clock())
	}
	return VelocityTimer{
		Running: due.DueAt != nil, Exempt: a.TaxExempt, StartedAt: door.TimeOf(a.VelocityTimerStart), DueAt: door.TimeOf(due.DueAt), DaysHeld: due.DaysHeld,
		RateBps: due.Bps, ExpectedTax: due.Tax.String(), ExpectedGx: due.Tax.GX(),
	}, err
}

type transactionInput struct {
	OffTxID uuid.UUID `path:"offTxId" format:"uuid"`
}

type statementLineOutput struct {
	Body struct {
		Transaction statement.Transaction `json:"transaction"`
	}
}

func (s tokenomics) transaction(ctx context.Context, in *transactionInput) (*statementLineOutput, error) {
	id, err := s.wallet(ctx)
	if err != nil {
		return nil, err
	}
	e, err := readmodel.StatementEntry(ctx, s.Pool, id, in.OffTxID)
	if errors.Is(err, readmodel.ErrNotFound) {
		err = problem.New(http.StatusNotFound, "not_found", "There is no such transaction.")
	}
	if err != nil {
		return nil, err
	}
	lines, err := statement.Lines(ctx, s.Door, []readmodel.Entry{e})
	if err != nil {
		return nil, err
	}
	var out statementLineOutput
	out.Body.Transaction = lines[0]
	return &out, nil
}
