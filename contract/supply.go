package contract

import (
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/qirat"
)

func init() {
	query(command.TokenomicsContract, "GetSupplyStatus", nil, getSupplyStatus)
	query(command.TokenomicsContract, "GetPoolStatus", []string{"pool"}, getPoolStatus)
}

// pooled sums the balances of all system pools.
func (t *tx) pooled() (qirat.Amount, error) {
	var sum qirat.Amount
	for _, p := range account.Pools {
		a, err := t.account(p.Account)
		if err != nil {
			return 0, err
		}
		balance, err := t.balance(a)
		if err != nil {
			return 0, err
		}
		if sum, err = sum.Add(balance); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// poolStatus is a system pool: Balance = Minted + Received - Distributed.
type poolStatus struct {
	AccountID   string       `json:"accountID"`
	Cap         qirat.Amount `json:"cap"`
	Minted      qirat.Amount `json:"minted"` // by the bootstrap
	Balance     qirat.Amount `json:"balance"`
	Received    total        `json:"received"`
	Distributed total        `json:"distributed"`
}

func (t *tx) poolStatus(p account.Pool) (*poolStatus, error) {
	a, err := t.account(p.Account)
	if err != nil {
		return nil, err
	}
	f, err := t.flows(a)
	if err != nil {
		return nil, err
	}
	balance, err := f.apply(a.Balance)
	if err != nil {
		return nil, err
	}
	return &poolStatus{AccountID: p.Account, Cap: qirat.Amount(p.Opening), Minted: a.Balance, Balance: balance, Received: f.In, Distributed: f.Out}, nil
}

// getPoolStatus takes the name of a pool, such as LOAN, or its account.
func getPoolStatus(t *tx, args []string) (*poolStatus, error) {
	for _, p := range account.Pools {
		if args[0] == p.Name || args[0] == p.Account {
			return t.poolStatus(p)
		}
	}
	return nil, refuse(CodeNotFound, "pool %s does not exist", args[0])
}

// supplyStatus is where the money is. Nothing is minted after the bootstrap.
type supplyStatus struct {
	MaxSupply         qirat.Amount           `json:"maxSupply"`
	TotalMinted       qirat.Amount           `json:"totalMinted"`
	AvailableToMint   qirat.Amount           `json:"availableToMint"`
	CirculatingSupply qirat.Amount           `json:"circulatingSupply"` // outside the system pools
	Pools             map[string]*poolStatus `json:"pools"`
}

func getSupplyStatus(t *tx, _ []string) (*supplyStatus, error) {
	s := &supplyStatus{MaxSupply: qirat.MaxSupply, CirculatingSupply: qirat.MaxSupply, Pools: map[string]*poolStatus{}}
	for _, p := range account.Pools {
		status, err := t.poolStatus(p)
		if err != nil {
			return nil, err
		}
		s.Pools[p.Name] = status
		if s.TotalMinted, err = s.TotalMinted.Add(status.Minted); err != nil {
			return nil, err
		}
		if s.CirculatingSupply, err = s.CirculatingSupply.Sub(status.Balance); err != nil {
			return nil, err
		}
	}
	return s, nil
}
