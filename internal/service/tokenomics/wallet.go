package tokenomics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/internal/service/statement"
	"gxcoin.money/gx/protocol/qirat"
)

type walletInput struct {
	ProfileID string `path:"profileId" doc:"Your profile id or GX id, or me"`
}

// Balance is a wallet (api.md C.4). Amounts are Qirat; the Gx members are for people.
type Balance struct {
	WalletID           string    `json:"walletId" doc:"Id of the account on the ledger"`
	ProfileID          string    `json:"profileId" format:"uuid"`
	FabricUserID       string    `json:"fabricUserId" doc:"GX id"`
	WalletName         string    `json:"walletName"`
	Balance            string    `json:"balance"`
	BalanceGx          string    `json:"balanceGx"`
	AvailableBalance   string    `json:"availableBalance" doc:"Balance less what payments under way will take"`
	AvailableBalanceGx string    `json:"availableBalanceGx"`
	PendingOut         string    `json:"pendingOut"`
	FrozenAmount       string    `json:"frozenAmount" doc:"The balance while the account is frozen"`
	Currency           string    `json:"currency" example:"GXC"`
	Status             string    `json:"status" example:"ACTIVE"`
	AsOfBlock          string    `json:"asOfBlock" doc:"Last block in the read model; -1 before the first"`
	UpdatedAt          door.Time `json:"updatedAt"`
}

type balanceOutput struct {
	Body struct {
		Balance Balance `json:"balance"`
	}
}

var balanceSQL = `SELECT a.account_id, a.status, a.balance, a.updated_at, k.block, ` + people.PendingOut(1000) + `
	FROM app.people p JOIN read.accounts a ON a.account_id = p.gx_id CROSS JOIN read.checkpoint k WHERE p.profile_id = $1`

func (s tokenomics) balance(ctx context.Context, _ *walletInput) (*balanceOutput, error) {
	who := door.Caller(ctx).ID
	var id, status string
	var balance, pending qirat.Amount
	var updated time.Time
	var block int64
	err := s.Pool.QueryRow(ctx, balanceSQL, who).
		Scan(&id, &status, &balance, &updated, &block, &pending)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNoWallet
	}
	if err != nil {
		return nil, fmt.Errorf("read balance: %w", err)
	}
	available, frozen := balance-min(pending, balance), qirat.Amount(0)
	if status != readmodel.StatusActive {
		available, frozen = 0, balance
	}
	var out balanceOutput
	out.Body.Balance = Balance{
		WalletID: id, ProfileID: who.String(), FabricUserID: id, WalletName: "Main", Balance: balance.String(), BalanceGx: balance.GX(),
		AvailableBalance: available.String(), AvailableBalanceGx: available.GX(), PendingOut: pending.String(), FrozenAmount: frozen.String(),
		Currency: "GXC", Status: status, AsOfBlock: strconv.FormatInt(block, 10), UpdatedAt: door.Time{Time: updated},
	}
	return &out, nil
}

var errNoWallet = problem.New(http.StatusNotFound, "wallet_not_found", "There is no account on the ledger yet.")

type walletsOutput struct {
	Body struct {
		Wallets []Balance `json:"wallets"`
	}
}

func (s tokenomics) wallets(ctx context.Context, _ *struct{}) (*walletsOutput, error) {
	var out walletsOutput
	b, err := s.balance(ctx, nil)
	if errors.Is(err, errNoWallet) {
		out.Body.Wallets = []Balance{}
		return &out, nil
	}
	if err != nil {
		return nil, err
	}
	out.Body.Wallets = []Balance{b.Body.Balance}
	return &out, nil
}

// wallet returns the account of the caller.
func (s tokenomics) wallet(ctx context.Context) (string, error) {
	p, err := people.Find(ctx, s.Pool, door.Caller(ctx).ID.String())
	if errors.Is(err, people.ErrNotFound) || err == nil && p.OnchainAt == nil {
		return "", errNoWallet
	}
	if err != nil {
		return "", err
	}
	return *p.GXID, nil
}

type transactionsInput struct {
	ProfileID string `path:"profileId" doc:"Your profile id or GX id, or me"`
	statement.Query
}

type transactionsOutput struct{ Body statement.Statement }

func (s tokenomics) transactions(ctx context.Context, in *transactionsInput) (*transactionsOutput, error) {
	id, err := s.wallet(ctx)
	if err != nil {
		return nil, err
	}
	page, err := statement.Read(ctx, s.Door, id, in.Query)
	return &transactionsOutput{page}, err
}

// Genesis is what became of a person's genesis allocation.
type Genesis struct {
	UserID   string     `json:"userId" doc:"GX id"`
	Status   string     `json:"status" example:"DISTRIBUTED"`
	Phase    int        `json:"phase" doc:"1 to 6, 0 when nothing was given"`
	Amount   string     `json:"amount" doc:"Qirat"`
	AmountGx string     `json:"amountGx"`
	At       *door.Time `json:"at,omitzero"`
}

type genesisOutput struct {
	Body struct {
		Genesis Genesis `json:"genesis"`
	}
}

func (s tokenomics) genesis(ctx context.Context, _ *walletInput) (*genesisOutput, error) {
	id, err := s.wallet(ctx)
	if err != nil {
		return nil, err
	}
	g, err := readmodel.GenesisStatus(ctx, s.Pool, id)
	if err != nil {
		return nil, err
	}
	var out genesisOutput
	out.Body.Genesis = Genesis{UserID: id, Status: g.Status, Phase: g.Phase, Amount: g.Amount.String(), AmountGx: g.Amount.GX(), At: door.TimeOf(g.At)}
	return &out, nil
}
