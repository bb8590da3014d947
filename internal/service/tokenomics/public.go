package tokenomics

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
)

type treasuryInput struct {
	CountryCode string `path:"countryCode" pattern:"^[A-Z]{2}$" patternDescription:"a two-letter country code in upper case"`
}

// Treasury is the money of a country.
type Treasury struct {
	CountryCode string    `json:"countryCode"`
	AccountID   string    `json:"accountId"`
	Status      string    `json:"status" example:"LOCKED"`
	Balance     string    `json:"balance" doc:"Qirat"`
	BalanceGx   string    `json:"balanceGx"`
	UpdatedAt   door.Time `json:"updatedAt"`
}

type treasuryOutput struct {
	Body struct {
		Balance Treasury `json:"balance"`
	}
}

func (s tokenomics) treasury(ctx context.Context, in *treasuryInput) (*treasuryOutput, error) {
	t, err := s.findTreasury(ctx, in.CountryCode)
	if err != nil {
		return nil, err
	}
	var out treasuryOutput
	out.Body.Balance = Treasury{t.CountryCode, t.AccountID, t.Status, t.Balance.String(), t.Balance.GX(), door.Time{Time: t.UpdatedAt}}
	return &out, nil
}

func (s tokenomics) findTreasury(ctx context.Context, countryCode string) (readmodel.TreasuryState, error) {
	t, err := readmodel.Treasury(ctx, s.Pool, countryCode)
	if errors.Is(err, readmodel.ErrNotFound) {
		err = problem.New(http.StatusNotFound, "treasury_not_found", "This country has no treasury.")
	}
	return t, err
}

// supplyFresh is how old the answer of a public sum over all accounts may be.
const supplyFresh = 2 * time.Second

type supplyCache struct {
	mu    sync.Mutex
	state readmodel.SupplyState
	read  time.Time
}

func (s tokenomics) supplyState(ctx context.Context) (readmodel.SupplyState, error) {
	c := s.supply
	c.mu.Lock()
	defer c.mu.Unlock()
	now := s.Clock()
	if !c.read.IsZero() && now.Sub(c.read) < supplyFresh && c.state.Block+1 >= int64(door.After(ctx)) {
		return c.state, nil
	}
	state, err := readmodel.Supply(ctx, s.Pool)
	if err == nil {
		c.state, c.read = state, now
	}
	return state, err
}

// Supply is where all the money is. Amounts are Qirat; the Gx members are for people.
type Supply struct {
	MaxSupply     string `json:"maxSupply"`
	MaxSupplyGx   string `json:"maxSupplyGx"`
	Circulating   string `json:"circulating" doc:"Outside the system pools"`
	CirculatingGx string `json:"circulatingGx"`
	Total         string `json:"total" doc:"Sum over every account: equals maxSupply"`
	Conserved     bool   `json:"conserved"`
	AsOfBlock     string `json:"asOfBlock"`
	Pools         []Pool `json:"pools"`
}

// Pool is a system pool: balance = opening - distributed + received.
type Pool struct {
	AccountID   string `json:"accountId"`
	Name        string `json:"name" example:"USER_GENESIS"`
	Opening     string `json:"opening"`
	Distributed string `json:"distributed"`
	Received    string `json:"received"`
	Balance     string `json:"balance"`
	BalanceGx   string `json:"balanceGx"`
}

type supplyOutput struct{ Body Supply }

type poolsOutput struct {
	Body struct {
		Pools []Pool `json:"pools"`
	}
}

func (s tokenomics) getSupply(ctx context.Context, _ *struct{}) (*supplyOutput, error) {
	st, err := s.supplyState(ctx)
	if err != nil {
		return nil, err
	}
	return &supplyOutput{Supply{
		MaxSupply: st.MaxSupply.String(), MaxSupplyGx: st.MaxSupply.GX(), Circulating: st.Circulating.String(), CirculatingGx: st.Circulating.GX(),
		Total: st.Total.String(), Conserved: st.Conserved(), AsOfBlock: strconv.FormatInt(st.Block, 10), Pools: poolList(st),
	}}, nil
}

func (s tokenomics) pools(ctx context.Context, _ *struct{}) (*poolsOutput, error) {
	st, err := s.supplyState(ctx)
	var out poolsOutput
	out.Body.Pools = poolList(st)
	return &out, err
}

func poolList(st readmodel.SupplyState) []Pool {
	out := make([]Pool, len(st.Pools))
	for i, p := range st.Pools {
		out[i] = Pool{p.AccountID, p.Name, p.Opening.String(), p.Distributed.String(), p.Received.String(), p.Balance.String(), p.Balance.GX()}
	}
	return out
}
