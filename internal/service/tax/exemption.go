package tax

import (
	"context"
	"net/http"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
)

// Exemption is an account that the velocity tax spares.
type Exemption struct {
	AccountID   string       `json:"accountId"`
	AccountType account.Kind `json:"accountType" example:"NGO"`
	CountryCode string       `json:"countryCode"`
	Reason      string       `json:"reason"`
	Balance     string       `json:"balance" doc:"Qirat"`
	BalanceGx   string       `json:"balanceGx"`
}

type exemptionsInput struct {
	Cursor string `query:"cursor" maxLength:"64" doc:"nextCursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

type exemptionsOutput struct{ Body door.List[Exemption] }

func (s tax) exemptions(ctx context.Context, in *exemptionsInput) (*exemptionsOutput, error) {
	all, err := readmodel.Exempt(ctx, s.Pool, in.Cursor, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := exemptionsOutput{door.List[Exemption]{Data: []Exemption{}}}
	for i, a := range all {
		if i == in.Limit {
			out.Body.HasMore, out.Body.NextCursor = true, all[i-1].AccountID
			break
		}
		out.Body.Data = append(out.Body.Data, Exemption{a.AccountID, a.Kind, a.Country, a.TaxExemptReason, a.Balance.String(), a.Balance.GX()})
	}
	return &out, nil
}

type exemptInput struct {
	Body struct {
		AccountID string `json:"accountId" maxLength:"64" doc:"Account id or profile id"`
		Exempt    bool   `json:"exempt" doc:"false ends an exemption"`
		Reason    string `json:"reason" minLength:"10" maxLength:"500" doc:"Why, for the record"`
	}
}

func (s tax) exempt(ctx context.Context, in *exemptInput) (*door.Accepted, error) {
	b := &in.Body
	a, err := s.account(ctx, b.AccountID)
	if err != nil {
		return nil, err
	}
	var refusal error
	switch {
	case account.IsCollective(a.AccountID):
		refusal = problem.BadField("accountId", "must be that of a person or an organization: others are never taxed")
	case account.Status(a.Status).Terminal():
		refusal = problem.New(http.StatusConflict, "invalid_state", "The account is "+a.Status+".")
	case a.TaxExempt == b.Exempt:
		refusal = problem.New(http.StatusConflict, "exemption_unchanged", "The account is as asked for already.")
	}
	if err := s.Refuse(ctx, refusal); err != nil {
		return nil, err
	}
	request := *b
	request.AccountID = a.AccountID
	return s.Submit(ctx, door.Submission{
		Payload: &command.SetTaxExempt{AccountID: a.AccountID, Exempt: b.Exempt, Reason: b.Reason}, Request: request,
		Receipt: door.Receipt{Message: "The exemption is being changed.", AggregateID: a.AccountID},
	})
}
