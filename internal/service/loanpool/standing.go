package loanpool

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/internal/service/rates"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
)

// Standing is what counts for a new loan of a person. Amounts are Qirat; the Gx
// members are for people.
type Standing struct {
	UserID         string `json:"userId" doc:"GX id"`
	Eligible       bool   `json:"eligible" doc:"May ask for a loan of minAmount now"`
	Reason         string `json:"reason,omitzero" doc:"Why not, for programs" example:"trust_too_low"`
	Available      string `json:"available" doc:"The most that may be asked for now"`
	AvailableGx    string `json:"availableGx"`
	TrustScore     int    `json:"trustScore"`
	MinTrustScore  uint64 `json:"minTrustScore"`
	OpenLoans      int    `json:"openLoans" doc:"That wait for a decision, run or are in default"`
	MaxOpenLoans   uint64 `json:"maxOpenLoans"`
	Pending        string `json:"pending" doc:"Applied for"`
	Outstanding    string `json:"outstanding" doc:"Owed"`
	OutstandingGx  string `json:"outstandingGx"`
	MaxOutstanding string `json:"maxOutstanding" doc:"The most that may be owed and applied for"`
	MinAmount      string `json:"minAmount"`
	MaxAmount      string `json:"maxAmount"`
	MaxTermDays    uint64 `json:"maxTermDays"`
	Defaults       int    `json:"defaults"`
	Banned         bool   `json:"banned" doc:"Gets no loans any more"`
}

type standingInput struct {
	ProfileID string `path:"profileId" doc:"Profile id, GX id, or me"`
}

type standingOutput struct {
	Body struct {
		Standing Standing `json:"standing"`
	}
}

func (s loanpool) standing(ctx context.Context, in *standingInput) (*standingOutput, error) {
	id, err := s.borrower(ctx, in.ProfileID)
	if errors.Is(err, people.ErrNotFound) {
		return nil, problem.New(http.StatusNotFound, "wallet_not_found", "There is no account on the ledger yet.")
	}
	if err != nil {
		return nil, err
	}
	st, p, err := s.credit(ctx, id)
	if err != nil {
		return nil, err
	}
	least, most := p.Amount(parameter.LoanMinAmount), st.most(p)
	refusal := st.refuses(p, least, 1)
	if refusal != nil {
		most = 0
	}
	var out standingOutput
	out.Body.Standing = Standing{
		UserID: id, Eligible: refusal == nil, Available: most.String(), AvailableGx: most.GX(),
		TrustScore: st.TrustScore, MinTrustScore: p.Value(parameter.MinTrustScoreForLoan),
		OpenLoans: st.Open, MaxOpenLoans: p.Value(parameter.LoanMaxConcurrent), Pending: st.Pending.String(),
		Outstanding: st.Outstanding.String(), OutstandingGx: st.Outstanding.GX(), MaxOutstanding: p.Amount(parameter.LoanMaxOutstanding).String(),
		MinAmount: least.String(), MaxAmount: p.Amount(parameter.LoanMaxAmount).String(), MaxTermDays: p.Value(parameter.MaxLoanDurationDays),
		Defaults: st.Defaults, Banned: st.Banned,
	}
	if refusal != nil {
		out.Body.Standing.Reason = problem.From(refusal).Code
	}
	return &out, nil
}

// standing is a person's standing with the loan pool.
type standing struct{ readmodel.StandingState }

func (s loanpool) credit(ctx context.Context, id string) (standing, rates.Parameters, error) {
	p, err := s.rates.Parameters(ctx)
	if err != nil {
		return standing{}, p, err
	}
	st, err := readmodel.Standing(ctx, s.Pool, id)
	if errors.Is(err, readmodel.ErrNotFound) {
		err = problem.New(http.StatusNotFound, "wallet_not_found", "There is no account on the ledger yet.")
	}
	return standing{st}, p, err
}

// most returns what one more loan may come to.
func (st standing) most(p rates.Parameters) qirat.Amount {
	limit, exposure := p.Amount(parameter.LoanMaxOutstanding), st.Pending+st.Outstanding
	return min(p.Amount(parameter.LoanMaxAmount), limit-min(exposure, limit))
}

// unworthy refuses a person who gets no loan at all, as the ledger would.
func (st standing) unworthy(p rates.Parameters) error {
	switch least := p.Value(parameter.MinTrustScoreForLoan); {
	case st.Banned:
		return refused("loan_banned", "After "+strconv.Itoa(st.Defaults)+" defaults there are no more loans.")
	case uint64(st.TrustScore) < least:
		return refused("trust_too_low", "A loan needs a higher trust score.").
			WithFact("trustScore", strconv.Itoa(st.TrustScore)).WithFact("required", strconv.FormatUint(least, 10))
	}
	return nil
}

// refuses refuses one more loan, as the ledger would.
func (st standing) refuses(p rates.Parameters, amount qirat.Amount, termDays int) error {
	if err := st.unworthy(p); err != nil {
		return err
	}
	least, most, longest := p.Amount(parameter.LoanMinAmount), p.Amount(parameter.LoanMaxAmount), p.Value(parameter.MaxLoanDurationDays)
	switch count := p.Value(parameter.LoanMaxConcurrent); {
	case amount < least || amount > most:
		return outside("amount", "must be from "+least.String()+" to "+most.String()+" Qirat")
	case uint64(termDays) > longest:
		return outside("termDays", "must be at most "+strconv.FormatUint(longest, 10))
	case uint64(st.Open) >= count:
		return refused("too_many_loans", "There are too many open loans.").WithFact("open", strconv.Itoa(st.Open)).WithFact("limit", strconv.FormatUint(count, 10))
	case amount > st.most(p):
		return refused("loan_limit_exceeded", "With this loan too much would be owed.").WithFact("available", st.most(p).String())
	}
	return nil
}

func refused(code, detail string) *problem.Problem {
	return problem.New(http.StatusUnprocessableEntity, code, detail)
}

func outside(field, message string) *problem.Problem {
	return problem.Invalid(http.StatusUnprocessableEntity, problem.Field{Field: field, Code: problem.InvalidCode(field), Message: message})
}
