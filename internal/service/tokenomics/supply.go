package tokenomics

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/internal/service/statement"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/genesis"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
)

type genesisRepairInput struct {
	Body struct {
		UserID      string `json:"userId" maxLength:"64" doc:"GX id or profile id"`
		UserType    string `json:"userType,omitzero" enum:"individual" doc:"Only people have a genesis allocation"`
		CountryCode string `json:"countryCode,omitzero" pattern:"^[A-Z]{2}$" patternDescription:"a two-letter country code in upper case" doc:"When given, the nationality that you expect"`
	}
}

// repairGenesis gives a person the allocation that they were too young for at
// their registration.
func (s tokenomics) repairGenesis(ctx context.Context, in *genesisRepairInput) (*door.Accepted, error) {
	b := &in.Body
	id, err := people.AccountID(ctx, s.Pool, b.UserID)
	var u readmodel.UserState
	if err == nil {
		u, err = readmodel.User(ctx, s.Pool, id)
	}
	if errors.Is(err, people.ErrNotFound) || errors.Is(err, readmodel.ErrNotFound) {
		return nil, problem.New(http.StatusNotFound, "user_not_found", "There is no such person on the ledger.")
	}
	if err != nil {
		return nil, err
	}
	born, err := gxid.Parse(u.UserID)
	if err != nil {
		return nil, err
	}
	var refusal error
	switch status := genesis.Status(u.Genesis.Status); {
	case b.CountryCode != "" && b.CountryCode != u.Nationality:
		refusal = problem.Invalid(http.StatusUnprocessableEntity, problem.Field{Field: "countryCode", Code: "country_code_invalid", Message: "is not the nationality of the person"})
	case status == genesis.IneligibleAge:
		refusal = notEligible("The person was too old at the registration.")
	case status != genesis.PendingAge:
		refusal = problem.New(http.StatusConflict, "genesis_distributed", "It was decided on the allocation already.").WithFact("genesisStatus", string(status))
	case genesis.Age(born.Born, s.Clock()) < genesis.MinAge:
		refusal = notEligible("The person is too young.")
	case u.Status != readmodel.StatusActive:
		refusal = notEligible("The person is " + u.Status + ".")
	}
	if err := s.Refuse(ctx, refusal); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.DistributeGenesis{UserID: u.UserID, Nationality: u.Nationality}, Request: map[string]string{"userId": u.UserID},
		Receipt: door.Receipt{Message: "The allocation is being given.", AggregateID: u.UserID},
	})
}

func notEligible(why string) error {
	return problem.New(http.StatusUnprocessableEntity, "not_eligible", why)
}

type internalTransferInput struct {
	Body struct {
		FromID string               `json:"fromID" maxLength:"64" doc:"Account id"`
		ToID   string               `json:"toID" maxLength:"64" doc:"Account id"`
		Amount qirat.Amount         `json:"amount" pattern:"^[1-9][0-9]{0,18}$" patternDescription:"decimal digits: a whole number of Qirat above 0"`
		Type   command.InternalType `json:"type" enum:"SYSTEM_ADJUSTMENT,FEE_COLLECTION,FEE_REDISTRIBUTION"`
		Remark string               `json:"remark" minLength:"10" maxLength:"200" doc:"Why; part of both statements"`
	}
}

// transferInternal moves money to or from a system account or a treasury, without
// a fee.
func (s tokenomics) transferInternal(ctx context.Context, in *internalTransferInput) (*door.Accepted, error) {
	b := &in.Body
	from, err := s.party(ctx, "fromID", b.FromID)
	if err != nil {
		return nil, err
	}
	if _, err := s.party(ctx, "toID", b.ToID); err != nil {
		return nil, err
	}
	limited := account.IsSystem(b.FromID) && !account.IsSystem(b.ToID)
	if err := s.coverable(ctx, from, b.Amount, limited); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.TransferInternal{FromID: b.FromID, ToID: b.ToID, Amount: b.Amount, Type: b.Type, Remark: b.Remark}, Request: b,
		Receipt: door.Receipt{Message: "The money is being moved.", AggregateID: b.FromID},
	})
}

func (s tokenomics) party(ctx context.Context, field, id string) (readmodel.AccountState, error) {
	a, err := readmodel.Account(ctx, s.Pool, id)
	if errors.Is(err, readmodel.ErrNotFound) {
		err = problem.Invalid(http.StatusNotFound, problem.Field{Field: field, Code: "account_not_found", Message: "is not an account"})
	}
	return a, err
}

// coverable refuses an amount that an account does not have, or that is more than
// may leave the system accounts at once.
func (s tokenomics) coverable(ctx context.Context, from readmodel.AccountState, amount qirat.Amount, limited bool) error {
	p, err := s.rates.Parameters(ctx)
	if err != nil {
		return err
	}
	var refusal error
	switch most := p.Amount(parameter.PoolDisburseMax); {
	case limited && amount > most:
		refusal = problem.Invalid(http.StatusUnprocessableEntity, problem.Field{Field: "amount", Code: "amount_invalid", Message: "must be at most " + most.String() + " Qirat"})
	case amount > from.Balance:
		refusal = problem.New(http.StatusUnprocessableEntity, "insufficient_funds", "The balance does not cover the amount.").
			WithFact("available", from.Balance.String()).WithFact("required", amount.String())
	}
	return s.Refuse(ctx, refusal)
}

type disbursementInput struct {
	Pool string `path:"pool" maxLength:"64" doc:"CHARITABLE, GX, OPERATIONS or REDISTRIBUTION"`
	Body struct {
		RecipientID string       `json:"recipientID" maxLength:"64" doc:"Account id or profile id: a person, an organization or a treasury"`
		Amount      qirat.Amount `json:"amount" pattern:"^[1-9][0-9]{0,18}$" patternDescription:"decimal digits: a whole number of Qirat above 0"`
		Reason      string       `json:"reason" minLength:"10" maxLength:"200" doc:"Why; part of both statements"`
	}
}

func (s tokenomics) disburse(ctx context.Context, in *disbursementInput) (*door.Accepted, error) {
	b := &in.Body
	to, err := findAccount(ctx, s.Pool, b.RecipientID)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, problem.Invalid(http.StatusNotFound, problem.Field{Field: "recipientID", Code: "recipient_not_found", Message: "is not an account"})
	}
	if err != nil {
		return nil, err
	}
	p := &command.DisburseFromPool{Pool: in.Pool, RecipientID: to.AccountID, Amount: b.Amount, Reason: b.Reason}
	if p.Account() == "" {
		return nil, problem.New(http.StatusNotFound, "pool_not_found", "There is no such pool that pays out.")
	}
	if to.Status != readmodel.StatusActive && to.Kind != account.Treasury {
		if err := s.Refuse(ctx, problem.New(http.StatusUnprocessableEntity, "recipient_not_active", "The recipient is "+to.Status+".")); err != nil {
			return nil, err
		}
	}
	from, err := readmodel.Account(ctx, s.Pool, p.Account())
	if err != nil {
		return nil, err
	}
	if err := s.coverable(ctx, from, b.Amount, true); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: p, Request: map[string]string{"pool": p.Pool, "recipientID": p.RecipientID, "amount": p.Amount.String(), "reason": p.Reason},
		Receipt: door.Receipt{Message: "The pool is being debited.", AggregateID: p.RecipientID},
	})
}

type poolHistoryInput struct {
	Pool string `path:"pool" maxLength:"64" doc:"Name of a pool, as in the list of pools"`
	statement.Query
}

type statementOutput struct{ Body statement.Statement }

func (s tokenomics) poolHistory(ctx context.Context, in *poolHistoryInput) (*statementOutput, error) {
	i := slices.IndexFunc(account.Pools, func(p account.Pool) bool { return p.Name == in.Pool })
	if i < 0 {
		return nil, problem.New(http.StatusNotFound, "pool_not_found", "There is no such pool.")
	}
	return s.history(ctx, account.Pools[i].Account, in.Query)
}

type treasuryHistoryInput struct {
	CountryCode string `path:"countryCode" pattern:"^[A-Z]{2}$" patternDescription:"a two-letter country code in upper case"`
	statement.Query
}

func (s tokenomics) treasuryHistory(ctx context.Context, in *treasuryHistoryInput) (*statementOutput, error) {
	t, err := s.findTreasury(ctx, in.CountryCode)
	if err != nil {
		return nil, err
	}
	return s.history(ctx, t.AccountID, in.Query)
}

func (s tokenomics) history(ctx context.Context, id string, q statement.Query) (*statementOutput, error) {
	page, err := statement.Read(ctx, s.Door, id, q)
	return &statementOutput{page}, err
}
