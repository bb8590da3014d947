// Package tax is the door of fees and of the velocity tax: what a payment or money
// at rest costs, by the same rules and parameters as on the ledger (api.md 2.6).
package tax

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/rates"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/qirat"
)

type tax struct {
	*door.Door
	rates *rates.Rates
}

// Register adds the routes of the tax service.
func Register(d *door.Door) {
	s := tax{d, rates.New(d.Pool, d.Clock)}
	public := door.Policy{Public: true}
	owner := door.Policy{Object: door.Account, Staff: door.TreasuryView}
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/fees/calculate", ID: "calculateFee", Summary: "What a payment costs", Policy: public},
		func(ctx context.Context, in *calculateInput) (*feeOutput, error) { return s.quote(ctx, in.Body) })
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/fees/quote", ID: "quoteFee", Summary: "What a payment costs", Policy: public,
		Cache: door.CachePublic(30 * time.Second)},
		func(ctx context.Context, in *quoteInput) (*feeOutput, error) {
			amount, err := qirat.Parse(in.Amount)
			if err != nil {
				return nil, problem.BadField("amount", "must be a whole number of Qirat")
			}
			return s.quote(ctx, calculation{Amount: amount, Type: in.Type, Scope: in.Scope})
		})
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/fees/schedule", ID: "getFeeSchedule", Summary: "The fees in force", Policy: public,
		Cache: door.CachePublic(5 * time.Minute)}, s.schedule)

	door.Register(d, door.Route{Method: http.MethodGet, Path: "/velocity-tax/schedule", ID: "getVelocityTaxSchedule", Summary: "The velocity tax in force",
		Policy: public, Cache: door.CachePublic(5 * time.Minute)}, s.velocitySchedule)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/velocity-tax/preview", ID: "previewVelocityTax", Summary: "What a balance owes after a whole cycle",
		Policy: public, Cache: door.CachePublic(30 * time.Second)}, s.preview)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/velocity-tax/eligibility/{accountId}", ID: "getVelocityTaxEligibility",
		Summary: "Whether an account owes the velocity tax, and how much", Policy: owner, Cache: door.CachePrivate}, s.eligibility)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/velocity-tax/history/{accountId}", ID: "listVelocityTaxes",
		Summary: "The velocity taxes that an account has paid, newest first", Policy: owner, Cache: door.CachePrivate}, s.history)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/velocity-tax/apply", ID: "applyVelocityTax", Summary: "Charge the velocity tax that is due",
		Policy: door.Policy{Staff: door.TaxApply}, Idempotency: door.KeyRequired, Status: http.StatusAccepted}, s.apply)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/velocity-tax/exemptions", ID: "listVelocityTaxExemptions",
		Summary: "The accounts that the velocity tax spares", Policy: door.Policy{Staff: door.TreasuryView}}, s.exemptions)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/velocity-tax/exemptions", ID: "setVelocityTaxExemption",
		Summary: "Spare an account the velocity tax, or end that", Policy: door.Policy{Staff: door.TaxApply}, Idempotency: door.KeyRequired,
		Status: http.StatusAccepted}, s.exempt)
}

// calculation is a payment to be priced. Type and scope follow from the parties
// when a payment is made; here they are asked for.
type calculation struct {
	Amount qirat.Amount `json:"amount" pattern:"^(0|[1-9][0-9]{0,18})$" patternDescription:"decimal digits: a whole number of Qirat" example:"50000000"`
	Type   string       `json:"type,omitzero" enum:"P2P,MERCHANT,GOVERNMENT,B2B" doc:"P2P when absent"`
	Scope  string       `json:"scope,omitzero" enum:"LOCAL,CROSS_BORDER" doc:"LOCAL when absent"`
}

type calculateInput struct{ Body calculation }

type quoteInput struct {
	Amount string `query:"amount" required:"true" pattern:"^(0|[1-9][0-9]{0,18})$" patternDescription:"decimal digits: a whole number of Qirat"`
	Type   string `query:"type" enum:"P2P,MERCHANT,GOVERNMENT,B2B" default:"P2P"`
	Scope  string `query:"scope" enum:"LOCAL,CROSS_BORDER" default:"LOCAL"`
}

// Fee is the price of a payment. Amounts are Qirat; the Gx members are for people.
type Fee struct {
	Amount   string `json:"amount"`
	AmountGx string `json:"amountGx"`
	Fee      string `json:"fee"`
	FeeGx    string `json:"feeGx"`
	Total    string `json:"total" doc:"What leaves the payer's account"`
	TotalGx  string `json:"totalGx"`
	Bps      uint64 `json:"bps" doc:"Basis points of the whole amount"`
	Exempt   bool   `json:"exempt"`
	Type     string `json:"type"`
	Scope    string `json:"scope"`
}

type feeOutput struct{ Body Fee }

// parties returns a payer and a payee between whom the rules give this type and scope.
func parties(kind, scope string) (from, to fee.Party) {
	from = fee.Party{ID: "payer", Kind: account.Individual, Country: "CH"}
	to = fee.Party{ID: "payee", Kind: account.Individual, Country: "CH"}
	switch fee.Type(kind) {
	case fee.MERCHANT:
		to.Kind = account.Business
	case fee.GOVERNMENT:
		to.Kind = account.Government
	case fee.B2B:
		from.Kind, to.Kind = account.Business, account.Business
	}
	if fee.Scope(scope) == fee.CROSS_BORDER {
		to.Country = "DE"
	}
	return from, to
}

func (s tax) quote(ctx context.Context, c calculation) (*feeOutput, error) {
	schedule, err := s.rates.Schedule(ctx)
	if err != nil {
		return nil, err
	}
	from, to := parties(c.Type, c.Scope)
	q, err := schedule.Quote(from, to, c.Amount, "")
	if errors.Is(err, fee.ErrAmount) {
		return nil, problem.BadField("amount", err.Error())
	}
	if err != nil {
		return nil, err
	}
	total, err := c.Amount.Add(q.Fee)
	if err != nil {
		return nil, problem.BadField("amount", "with its fee is above the maximum supply")
	}
	return &feeOutput{Fee{
		Amount: c.Amount.String(), AmountGx: c.Amount.GX(), Fee: q.Fee.String(), FeeGx: q.Fee.GX(), Total: total.String(), TotalGx: total.GX(),
		Bps: q.Bps, Exempt: q.Exempt, Type: string(q.Type), Scope: string(q.Scope),
	}}, nil
}

type scheduleOutput struct {
	Body struct {
		Parameters []Rate `json:"parameters"`
	}
}

// Rate is one fee parameter.
type Rate struct {
	ID  string `json:"id" example:"fee.p2p.local.low"`
	Bps uint64 `json:"bps" doc:"Basis points of the whole amount"`
}

func (s tax) schedule(ctx context.Context, _ *struct{}) (*scheduleOutput, error) {
	schedule, err := s.rates.Schedule(ctx)
	if err != nil {
		return nil, err
	}
	var out scheduleOutput
	for _, p := range schedule.Parameters() {
		out.Body.Parameters = append(out.Body.Parameters, Rate{p.ID, p.Bps})
	}
	return &out, nil
}
