package command

import (
	"slices"

	"gxcoin.money/gx/protocol/account"
)

// Every command reads the pause flag and the parameters, so all but their
// writers share this lane. Who cannot tell beforehand what it will touch takes
// it alone.
const systemLane = "system"

// proposalsLane keeps the list of active proposals in order.
const proposalsLane = "proposals"

func exclusive(key string) Lane { return Lane{Key: key} }
func shared(key string) Lane    { return Lane{Key: key, Shared: true} }

// accountLane stands for everything that is kept under an account id: balance,
// person or organization, and what belongs to them, as their loans, their
// relationships or their pending payments. It is exclusive, but shared for a
// collective account, which is only appended to.
func accountLane(id string) Lane {
	return Lane{Key: "account:" + id, Shared: account.IsCollective(id)}
}

// debitLane is for a debit: also that of a collective account reads its balance.
func debitLane(id string) Lane { return exclusive("account:" + id) }

func proposalLane(id string) string { return "proposal:" + id }

// touches returns the lanes of a command that obeys a pause, each once: given
// both ways it is exclusive.
func touches(lanes ...Lane) []Lane {
	out := []Lane{shared(systemLane)}
	for _, l := range lanes {
		i := slices.IndexFunc(out, func(o Lane) bool { return o.Key == l.Key })
		if i < 0 {
			out = append(out, l)
		} else if !l.Shared {
			out[i].Shared = false
		}
	}
	return out
}

// alone returns the lanes of a command that runs with no other in flight.
func alone() []Lane { return []Lane{exclusive(systemLane)} }

// accountLanes returns the lane of each account; an empty id has none.
func accountLanes(ids ...string) []Lane {
	var out []Lane
	for _, id := range ids {
		if id != "" {
			out = append(out, accountLane(id))
		}
	}
	return out
}

// genesisLanes returns the lanes of a genesis distribution.
func genesisLanes(userID, nationality string) []Lane {
	return append([]Lane{exclusive(countryLane(nationality))},
		accountLanes(userID, account.UserGenesisPool, account.GovtGenesisPool, account.TreasuryOf(nationality))...)
}

// countryLane stands for the genesis slots of a country.
func countryLane(code string) string { return "country:" + code }
