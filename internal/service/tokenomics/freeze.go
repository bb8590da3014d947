package tokenomics

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
)

type freezeInput struct {
	WalletID string `path:"walletId" doc:"Account id (for a person the GX id) or profile id"`
	Body     struct {
		Reason string `json:"reason" minLength:"10" maxLength:"500" doc:"Why, for the record"`
	}
}

type unfreezeInput struct {
	WalletID string `path:"walletId" doc:"Account id (for a person the GX id) or profile id"`
	Body     *struct {
		Reason string `json:"reason,omitzero" maxLength:"500" doc:"Why, for the record"`
	}
}

func (s tokenomics) freeze(ctx context.Context, in *freezeInput) (*door.Accepted, error) {
	return s.setFrozen(ctx, in.WalletID, readmodel.StatusFrozen, in.Body.Reason, func(id string) command.Payload {
		return &command.FreezeWallet{AccountID: id, Reason: in.Body.Reason}
	})
}

func (s tokenomics) unfreeze(ctx context.Context, in *unfreezeInput) (*door.Accepted, error) {
	var reason string
	if in.Body != nil {
		reason = in.Body.Reason
	}
	return s.setFrozen(ctx, in.WalletID, readmodel.StatusActive, reason, func(id string) command.Payload {
		return &command.UnfreezeWallet{AccountID: id}
	})
}

func (s tokenomics) setFrozen(ctx context.Context, wallet, want, reason string, payload func(id string) command.Payload) (*door.Accepted, error) {
	a, err := findAccount(ctx, s.Pool, wallet)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, problem.New(http.StatusNotFound, "wallet_not_found", "There is no such account.")
	}
	if err != nil {
		return nil, err
	}
	if err := s.Refuse(ctx, unchangeable(a, want)); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: payload(a.AccountID), FourEyes: want == readmodel.StatusActive && a.FrozenReason == people.CourtOrder,
		Request: struct {
			WalletID string `json:"walletId"`
			Reason   string `json:"reason"`
		}{a.AccountID, reason},
		Receipt: door.Receipt{Message: "Accepted.", AggregateID: a.AccountID},
	})
}

// unchangeable refuses a freeze, or its end, that the ledger would refuse.
func unchangeable(a readmodel.AccountState, want string) error {
	switch {
	case account.IsCollective(a.AccountID):
		return problem.New(http.StatusUnprocessableEntity, "not_freezable", "Pools and treasuries are not frozen.")
	case a.Status == want:
		return problem.New(http.StatusConflict, "already_"+strings.ToLower(want), "The account is in this state already.")
	case want == readmodel.StatusFrozen && !account.Status(a.Status).CanBecome(account.Frozen), want == readmodel.StatusActive && a.Status != readmodel.StatusFrozen:
		return problem.New(http.StatusConflict, "invalid_state", "The account is "+a.Status+".")
	}
	return nil
}

// findAccount returns the account that an account id or a profile id names.
func findAccount(ctx context.Context, db postgres.DB, id string) (readmodel.AccountState, error) {
	id, err := people.AccountID(ctx, db, id)
	if errors.Is(err, people.ErrNotFound) {
		return readmodel.AccountState{}, readmodel.ErrNotFound
	}
	if err != nil {
		return readmodel.AccountState{}, err
	}
	return readmodel.Account(ctx, db, id)
}
