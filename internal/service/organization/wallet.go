package organization

import (
	"context"
	"strconv"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/statement"
)

// OrganizationBalance is the money of an organization.
type OrganizationBalance struct {
	WalletID  string    `json:"walletId" doc:"Id of the account on the ledger"`
	OrgID     string    `json:"orgId"`
	Balance   string    `json:"balance" doc:"Qirat"`
	BalanceGx string    `json:"balanceGx"`
	Currency  string    `json:"currency" example:"GXC"`
	Status    string    `json:"status" example:"ACTIVE"`
	AsOfBlock string    `json:"asOfBlock" doc:"Last block in the read model; -1 before the first"`
	UpdatedAt door.Time `json:"updatedAt"`
}

type balanceOutput struct {
	Body struct {
		Balance OrganizationBalance `json:"balance"`
	}
}

func (s organization) balance(ctx context.Context, in *orgInput) (*balanceOutput, error) {
	o, err := s.find(ctx, in.OrgID)
	if err != nil {
		return nil, err
	}
	// The balance may be newer than the block that it is told with, never older.
	c, err := readmodel.Checkpoint(ctx, s.Pool)
	if err != nil {
		return nil, err
	}
	a, err := readmodel.Account(ctx, s.Pool, o.OrgID)
	var out balanceOutput
	out.Body.Balance = OrganizationBalance{
		WalletID: o.OrgID, OrgID: o.OrgID, Balance: a.Balance.String(), BalanceGx: a.Balance.GX(), Currency: "GXC", Status: string(o.Status),
		AsOfBlock: strconv.FormatInt(c.Block, 10), UpdatedAt: door.Time{Time: a.UpdatedAt},
	}
	return &out, err
}

type statementInput struct {
	OrgID string `path:"orgId" maxLength:"64"`
	statement.Query
}

type statementOutput struct{ Body statement.Statement }

func (s organization) statement(ctx context.Context, in *statementInput) (*statementOutput, error) {
	if _, err := s.find(ctx, in.OrgID); err != nil {
		return nil, err
	}
	p, err := statement.Read(ctx, s.Door, in.OrgID, in.Query)
	return &statementOutput{p}, err
}
