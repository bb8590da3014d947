package tax

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/velocity"
)

// Band is a range of balances with its rate.
type Band struct {
	From   string `json:"from" doc:"Qirat: the lowest balance of the band"`
	FromGx string `json:"fromGx"`
	Bps    uint64 `json:"bps" doc:"Basis points of the whole balance, for a whole cycle"`
}

type velocityOutput struct {
	Body struct {
		Threshold   string `json:"threshold" doc:"Qirat: from here on the timer runs"`
		ThresholdGx string `json:"thresholdGx"`
		PeriodDays  int    `json:"periodDays" doc:"How long money may rest untaxed"`
		Bands       []Band `json:"bands"`
	}
}

func (s tax) velocitySchedule(ctx context.Context, _ *struct{}) (*velocityOutput, error) {
	v, err := s.rates.Velocity(ctx)
	if err != nil {
		return nil, err
	}
	var out velocityOutput
	b := &out.Body
	b.Threshold, b.ThresholdGx, b.PeriodDays = velocity.Threshold.String(), velocity.Threshold.GX(), days(v.Cycle())
	for _, band := range v.Bands() {
		b.Bands = append(b.Bands, Band{band.From.String(), band.From.GX(), band.Bps})
	}
	return &out, nil
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

// Charge is what the velocity tax takes. Amounts are Qirat; the Gx members are for
// people.
type Charge struct {
	RateBps             uint64 `json:"rateBps" doc:"Basis points of the whole balance"`
	Tax                 string `json:"tax"`
	TaxGx               string `json:"taxGx"`
	GovtShare           string `json:"govtShare" doc:"For the treasury of the country"`
	RedistributionShare string `json:"redistributionShare" doc:"For the redistribution pool"`
}

func charge(bps uint64, tax, government, redistribution qirat.Amount) Charge {
	return Charge{bps, tax.String(), tax.GX(), government.String(), redistribution.String()}
}

type previewInput struct {
	Balance string `query:"balance" required:"true" pattern:"^(0|[1-9][0-9]{0,18})$" patternDescription:"decimal digits: a whole number of Qirat"`
}

type previewOutput struct {
	Body struct {
		Balance   string `json:"balance"`
		BalanceGx string `json:"balanceGx"`
		Charge
	}
}

func (s tax) preview(ctx context.Context, in *previewInput) (*previewOutput, error) {
	v, err := s.rates.Velocity(ctx)
	if err != nil {
		return nil, err
	}
	balance, err := qirat.Parse(in.Balance)
	if err != nil {
		return nil, problem.BadField("balance", "must be a whole number of Qirat up to the maximum supply")
	}
	tax, government, redistribution, bps, err := v.Tax(balance)
	if err != nil {
		return nil, err
	}
	var out previewOutput
	out.Body.Balance, out.Body.BalanceGx, out.Body.Charge = balance.String(), balance.GX(), charge(bps, tax, government, redistribution)
	return &out, nil
}

type accountInput struct {
	AccountID string `path:"accountId" maxLength:"64" doc:"Account id, profile id, or me"`
}

// Eligibility is whether an account owes the velocity tax now, and what it would be.
type Eligibility struct {
	AccountID string             `json:"accountId"`
	Eligible  bool               `json:"eligible" doc:"The tax is due"`
	Reason    string             `json:"reason,omitzero" doc:"Why not, for programs" enum:"NEVER_TAXED,NOT_OPEN,EXEMPT,BELOW_THRESHOLD,TIMER_STOPPED,NOT_DUE"`
	Details   EligibilityDetails `json:"details"`
}

// EligibilityDetails is what the velocity tax of an account follows from.
type EligibilityDetails struct {
	AccountType         account.Kind `json:"accountType" example:"INDIVIDUAL"`
	CurrentBalance      string       `json:"currentBalance" doc:"Qirat"`
	BalanceInCoins      string       `json:"balanceInCoins" doc:"GX, for people"`
	MinimumBalance      string       `json:"minimumBalance" doc:"Qirat: from here on the timer runs"`
	MinimumInCoins      string       `json:"minimumInCoins"`
	RequiredDays        int          `json:"requiredDays"`
	TimerStartDate      *door.Time   `json:"timerStartDate,omitzero"`
	DaysSinceTimerStart int          `json:"daysSinceTimerStart"`
	DaysRemaining       int          `json:"daysRemaining"`
	DueAt               *door.Time   `json:"dueAt,omitzero"`
	Exempt              bool         `json:"exempt"`
	LastTaxedAt         *door.Time   `json:"lastTaxedAt,omitzero"`
	Charge
}

type eligibilityOutput struct{ Body Eligibility }

func (s tax) eligibility(ctx context.Context, in *accountInput) (*eligibilityOutput, error) {
	a, err := s.account(ctx, in.AccountID)
	if err != nil {
		return nil, err
	}
	v, due, reason, err := s.assess(ctx, a)
	if err != nil {
		return nil, err
	}
	d := EligibilityDetails{
		AccountType: a.Kind, CurrentBalance: a.Balance.String(), BalanceInCoins: a.Balance.GX(), MinimumBalance: velocity.Threshold.String(),
		MinimumInCoins: velocity.Threshold.GX(), RequiredDays: days(v.Cycle()), TimerStartDate: door.TimeOf(a.VelocityTimerStart),
		DaysSinceTimerStart: due.DaysHeld, DueAt: door.TimeOf(due.DueAt), Exempt: a.TaxExempt, LastTaxedAt: door.TimeOf(a.LastTaxedAt),
		Charge: charge(due.Bps, due.Tax, due.Government, due.Redistribution),
	}
	if due.DueAt != nil {
		d.DaysRemaining = max(0, d.RequiredDays-due.DaysHeld)
	}
	return &eligibilityOutput{Eligibility{a.AccountID, reason == "", reason, d}}, nil
}

// account returns the tax state of the account that a path or a body names.
func (s tax) account(ctx context.Context, id string) (readmodel.TaxState, error) {
	if id == door.Me {
		id = door.Caller(ctx).ID.String()
	}
	id, err := people.AccountID(ctx, s.Pool, id)
	var a readmodel.TaxState
	if err == nil {
		a, err = readmodel.Tax(ctx, s.Pool, id)
	}
	if errors.Is(err, people.ErrNotFound) || errors.Is(err, readmodel.ErrNotFound) {
		err = problem.New(http.StatusNotFound, "account_not_found", "There is no such account.")
	}
	return a, err
}

// assess returns what an account owes, and as the ledger would why it is not due;
// nothing when it is.
func (s tax) assess(ctx context.Context, a readmodel.TaxState) (v velocity.Schedule, due velocity.Assessment, reason string, err error) {
	if v, err = s.rates.Velocity(ctx); err != nil {
		return v, due, "", err
	}
	switch {
	case account.IsCollective(a.AccountID):
		return v, due, "NEVER_TAXED", nil
	case account.Status(a.Status).Terminal():
		return v, due, "NOT_OPEN", nil
	case a.TaxExempt:
		return v, due, "EXEMPT", nil
	}
	due, err = v.Assess(a.Balance, a.VelocityTimerStart, s.Clock())
	switch {
	case a.Balance < velocity.Threshold:
		reason = "BELOW_THRESHOLD"
	case due.DueAt == nil:
		reason = "TIMER_STOPPED"
	case !due.Due:
		reason = "NOT_DUE"
	}
	return v, due, reason, err
}

// Assessment is a velocity tax that was paid. Amounts are Qirat; the Gx members are
// for people.
type Assessment struct {
	Balance    string    `json:"balance" doc:"Before the tax"`
	BalanceGx  string    `json:"balanceGx"`
	TreasuryID string    `json:"treasuryId"`
	TimerStart door.Time `json:"timerStart" doc:"Since when the money had rested"`
	Charge
	TransactionID string    `json:"transactionId" doc:"Of the ledger"`
	Timestamp     door.Time `json:"timestamp"`
}

type historyInput struct {
	door.Paging
	AccountID string `path:"accountId" maxLength:"64" doc:"Account id, profile id, or me"`
}

type historyOutput struct{ Body door.List[Assessment] }

func (s tax) history(ctx context.Context, in *historyInput) (*historyOutput, error) {
	w, err := in.Window()
	if err != nil {
		return nil, err
	}
	a, err := s.account(ctx, in.AccountID)
	if err != nil {
		return nil, err
	}
	l, err := readmodel.Assessments(ctx, s.Pool, a.AccountID, w)
	if err != nil {
		return nil, err
	}
	return &historyOutput{door.ListOf(l, func(p readmodel.Assessment) Assessment {
		return Assessment{p.Balance.String(), p.Balance.GX(), p.TreasuryID, door.Time{Time: p.TimerStart},
			charge(p.RateBps, p.Tax, p.GovtShare, p.RedistributionShare), p.TxID, door.Time{Time: p.At}}
	})}, nil
}

type applyInput struct {
	Body struct {
		AccountID  string  `json:"accountId" maxLength:"64" doc:"Account id or profile id"`
		TaxRateBps *uint64 `json:"taxRateBps,omitzero" doc:"When given, the rate that you expect: the ledger charges that of the balance"`
	}
}

func (s tax) apply(ctx context.Context, in *applyInput) (*door.Accepted, error) {
	a, err := s.account(ctx, in.Body.AccountID)
	if err != nil {
		return nil, err
	}
	_, due, reason, err := s.assess(ctx, a)
	if err != nil {
		return nil, err
	}
	var refusal error
	expected := in.Body.TaxRateBps
	switch {
	case reason != "":
		refusal = problem.New(http.StatusConflict, "not_eligible", "The account owes no velocity tax.").WithFact("reason", reason)
	case expected != nil && *expected != due.Bps:
		refusal = problem.Invalid(http.StatusUnprocessableEntity, problem.Field{Field: "taxRateBps", Code: "tax_rate_bps_invalid",
			Message: "must be the rate of the balance, which is " + strconv.FormatUint(due.Bps, 10)})
	}
	if err := s.Refuse(ctx, refusal); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.ApplyVelocityTax{AccountID: a.AccountID, Country: a.Country},
		Request: struct {
			AccountID  string  `json:"accountId"`
			TaxRateBps *uint64 `json:"taxRateBps"`
		}{a.AccountID, expected},
		Receipt: door.Receipt{Message: "The tax is being charged.", AggregateID: a.AccountID},
	})
}
