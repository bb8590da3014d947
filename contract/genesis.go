package contract

import (
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/genesis"
	"gxcoin.money/gx/protocol/qirat"
)

func init() {
	handle(distributeGenesis, distributeGenesisKeys, "GenesisDistributed", "TreasuryAllocated")
}

// genesisClaim is the decision about a person's claim.
type genesisClaim struct {
	age    int
	status genesis.Status
	phase  int // 1..6, 0 when nothing is given
}

// decideGenesis takes the next slot of a country for a person of an age.
func decideGenesis(c *Country, age int) genesisClaim {
	g := genesisClaim{age: age}
	switch phase := genesis.CurrentPhase(c.Slots, c.Used); {
	case age < genesis.MinAge:
		g.status = genesis.PendingAge
		c.IneligibleUsers++
	case age > genesis.MaxAge:
		g.status = genesis.IneligibleAge
		c.IneligibleUsers++
	case phase > len(genesis.Phases):
		g.status = genesis.Exhausted
		c.ExhaustedUsers++
	default:
		g.status, g.phase = genesis.Distributed, phase
		c.Used[phase-1]++
	}
	return g
}

// distributeGenesis carries out a decision and stores person, account and
// country. The pools are debited blindly: they cover all slots exactly.
func (t *tx) distributeGenesis(u *User, a *Account, c *Country, g genesisClaim) error {
	u.GenesisMinted = g.status != genesis.PendingAge
	u.GenesisStatus, u.GenesisPhase, u.GenesisAt = g.status, g.phase, &t.now
	var phase genesis.Phase
	if g.phase > 0 {
		phase = genesis.Phases[g.phase-1]
	}
	u.GenesisAmount = phase.User
	if err := t.setUser(u); err != nil {
		return err
	}
	if err := store(t, countryKey(c.CountryCode), c); err != nil {
		return err
	}
	if g.phase > 0 {
		if err := t.move(movement{From: collectiveAccount(account.UserGenesisPool), To: a, Amount: phase.User, Type: EntryGenesis}); err != nil {
			return err
		}
	}
	if err := t.emit(&event.GenesisDistributed{
		UserID: u.UserID, Nationality: u.Nationality, Phase: g.phase, Amount: phase.User, Age: g.age,
		Eligible: g.age >= genesis.MinAge && g.age <= genesis.MaxAge, Status: string(g.status), PoolSource: account.UserGenesisPool,
		BalanceAfter: a.Balance, VelocityTimerStart: a.VelocityTaxTimerStart,
	}); err != nil {
		return err
	}
	if g.phase == 0 {
		return nil
	}
	return t.allocate(u, g.phase, phase.Government)
}

// allocate gives the treasury of a person's country its share.
func (t *tx) allocate(u *User, phase int, amount qirat.Amount) error {
	treasury := collectiveAccount(account.TreasuryOf(u.Nationality))
	err := t.move(movement{From: collectiveAccount(account.GovtGenesisPool), To: treasury, Amount: amount, Type: EntryGovtGenesis, Ref: u.UserID})
	if err != nil {
		return err
	}
	return t.emit(&event.TreasuryAllocated{
		TreasuryID: treasury.AccountID, UserID: u.UserID, Nationality: u.Nationality, Phase: phase, Amount: amount, PoolSource: account.GovtGenesisPool,
	})
}

func distributeGenesisKeys(p *command.DistributeGenesis) []string {
	return []string{userKey(p.UserID), accountKey(p.UserID), countryKey(p.Nationality)}
}

// distributeGenesis lets a person claim who was too young at the registration.
func distributeGenesis(t *tx, p *command.DistributeGenesis) (any, error) {
	u, err := t.user(p.UserID)
	if err != nil {
		return nil, err
	}
	a, err := t.actor(p.UserID)
	if err != nil {
		return nil, err
	}
	if u.Nationality != p.Nationality {
		return nil, refuse(CodeInvalidArgument, "nationality: is not that of %s", u.UserID)
	}
	if u.GenesisStatus == genesis.IneligibleAge {
		return nil, refuse(CodeNotEligible, "user %s was older than %d at the registration", u.UserID, genesis.MaxAge)
	}
	if u.GenesisMinted {
		return nil, refuse(CodeGenesisDistributed, "user %s has already received genesis mint", u.UserID)
	}
	age, err := t.age(u.UserID)
	if err != nil {
		return nil, err
	}
	if age < genesis.MinAge {
		return nil, refuse(CodeNotEligible, "user %s is younger than %d", u.UserID, genesis.MinAge)
	}
	c, err := t.country(u.Nationality)
	if err != nil {
		return nil, err
	}
	return nil, t.distributeGenesis(u, a, c, decideGenesis(c, age))
}
