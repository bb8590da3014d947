package identity

import (
	"context"
	"errors"
	"net/http"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/internal/service/statement"
	"gxcoin.money/gx/protocol/account"
)

// Recipient is whoever an address belongs to, as strangers may see them.
type Recipient struct {
	FabricUserID string       `json:"fabricUserId" doc:"Account id: for a person the GX id"`
	AccountType  account.Kind `json:"accountType" example:"INDIVIDUAL"`
	DisplayName  string       `json:"displayName" doc:"First name and initial, or the name of the institution" example:"Ada L."`
	Status       string       `json:"status" enum:"ACTIVE"`
}

type lookupInput struct {
	Address string `query:"address" required:"true" minLength:"1" maxLength:"64" doc:"Account id or profile id. Nobody is found by e-mail or phone: who has an account is nobody's business"`
}

type lookupOutput struct{ Body Recipient }

// lookup tells a payer whether an address is the right one.
func (s identity) lookup(ctx context.Context, in *lookupInput) (*lookupOutput, error) {
	id, err := people.AccountID(ctx, s.Pool, in.Address)
	var a readmodel.AccountState
	if err == nil {
		a, err = readmodel.Account(ctx, s.Pool, id)
	}
	if errors.Is(err, people.ErrNotFound) || errors.Is(err, readmodel.ErrNotFound) || err == nil && (a.Status != readmodel.StatusActive || account.IsSystem(id)) {
		return nil, problem.New(http.StatusNotFound, "recipient_not_found", "Nobody can be paid at this address.")
	}
	if err != nil {
		return nil, err
	}
	names, err := statement.Names(ctx, s.Door, []string{id})
	return &lookupOutput{Recipient{id, a.Kind, names[id], a.Status}}, err
}
