package contract

import (
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/genesis"
)

// Country is a country with its genesis slots.
type Country struct {
	CountryCode     string    `json:"countryCode"`
	WeightE8        uint64    `json:"weightE8"`
	Slots           [6]uint64 `json:"slots"` // of phases 1..6, fixed
	Used            [6]uint64 `json:"used"`
	Users           uint64    `json:"users"`
	IneligibleUsers uint64    `json:"ineligibleUsers"` // decisions by age; a later claim at the right age is a second one
	ExhaustedUsers  uint64    `json:"exhaustedUsers"`  // decisions after the last slot
}

// countriesRecord marks the countries as fixed.
type countriesRecord struct {
	Count    int       `json:"count"`
	WeightE8 uint64    `json:"weightE8"` // of all
	TxID     string    `json:"txID"`
	At       time.Time `json:"at"`
}

func init() {
	handle(initializeCountryData, initializeCountryDataKeys, "CountryDataInitialized")
	query(command.AdminContract, "GetCountryStats", []string{"countryCode"}, func(t *tx, args []string) (*countryView, error) {
		c, err := t.country(args[0])
		if err != nil {
			return nil, err
		}
		return viewCountry("", c)
	})
	query(command.AdminContract, "ListAllCountries", []string{"pageSize", "bookmark"}, func(t *tx, args []string) (*page[*countryView], error) {
		return list(t, compositeKey("cty"), args[0], args[1], viewCountry)
	})
	query(command.AdminContract, "GetGlobalCounters", nil, getGlobalCounters)
}

func countryKey(code string) string { return compositeKey("cty", code) }

// country returns a country that takes part in GX.
func (t *tx) country(code string) (*Country, error) {
	c, err := load[Country](t, countryKey(code))
	if err == nil && c == nil {
		err = refuse(CodeCountryNotRegistered, "country %s is not registered in the system", code)
	}
	return c, err
}

func initializeCountryDataKeys(p *command.InitializeCountryData) []string {
	keys := []string{bootstrapKey, countriesKey}
	for _, c := range p.Countries {
		keys = append(keys, accountKey(account.TreasuryOf(c.CountryCode)))
	}
	return keys
}

func initializeCountryData(t *tx, p *command.InitializeCountryData) (any, error) {
	bootstrapped, err := t.get(bootstrapKey)
	if err != nil {
		return nil, err
	}
	if bootstrapped == nil {
		return nil, refuse(CodeInvalidState, "the system is not bootstrapped")
	}
	done, err := t.get(countriesKey)
	if err != nil {
		return nil, err
	}
	if done != nil {
		return nil, refuse(CodeAlreadyExists, "the countries are initialised already")
	}
	weights := make([]genesis.Weight, len(p.Countries))
	record := countriesRecord{Count: len(weights), TxID: t.stub.TxID(), At: t.now}
	for i, c := range p.Countries {
		weights[i] = genesis.Weight{Country: c.CountryCode, E8: c.WeightE8}
		record.WeightE8 += c.WeightE8
	}
	allocations, err := genesis.Apportion(weights)
	if err != nil {
		return nil, refuse(CodeInvalidArgument, "countries: %v", err)
	}
	e := &event.CountryDataInitialized{}
	for _, a := range allocations {
		if err := store(t, countryKey(a.Country), &Country{CountryCode: a.Country, WeightE8: a.E8, Slots: a.Slots}); err != nil {
			return nil, err
		}
		treasury := &Account{AccountID: account.TreasuryOf(a.Country), Kind: account.Treasury, Country: a.Country, Status: account.Active}
		if err := t.addAccount(treasury); err != nil {
			return nil, err
		}
		e.Countries = append(e.Countries, event.CountrySlots{CountryCode: a.Country, WeightE8: a.E8, Slots: a.Slots})
	}
	if err := store(t, countriesKey, &record); err != nil {
		return nil, err
	}
	return nil, t.emit(e)
}

// countryView is a country with the phase that the next person gets, 7 when
// every slot is used.
type countryView struct {
	Country
	CurrentPhase int `json:"currentPhase"`
}

func viewCountry(_ string, c *Country) (*countryView, error) {
	return &countryView{*c, genesis.CurrentPhase(c.Slots, c.Used)}, nil
}

// globalCounters sums the countries.
type globalCounters struct {
	Countries       int       `json:"countries"`
	TotalUsers      uint64    `json:"totalUsers"`
	PhaseUsers      [6]uint64 `json:"phaseUsers"`
	IneligibleUsers uint64    `json:"ineligibleUsers"`
	ExhaustedUsers  uint64    `json:"exhaustedUsers"`
}

func getGlobalCounters(t *tx, _ []string) (*globalCounters, error) {
	sum := &globalCounters{}
	var failure error
	err := t.scanPrefix(compositeKey("cty"), func(key string, data []byte) bool {
		c, err := decode[Country](key, data)
		if failure = err; err != nil {
			return false
		}
		sum.Countries++
		sum.TotalUsers += c.Users
		for i, n := range c.Used {
			sum.PhaseUsers[i] += n
		}
		sum.IneligibleUsers += c.IneligibleUsers
		sum.ExhaustedUsers += c.ExhaustedUsers
		return true
	})
	if failure != nil {
		return nil, failure
	}
	return sum, err
}
