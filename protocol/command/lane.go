package command

import "gxcoin.money/gx/protocol/account"

// Every command reads the pause flag, so all but its writers share its lane.
const systemLane = "system"

func exclusive(key string) Lane { return Lane{Key: key} }
func shared(key string) Lane    { return Lane{Key: key, Shared: true} }

// accountLane is exclusive for a balance that is read and written, shared for a
// collective account, which is only appended to.
func accountLane(id string) Lane {
	return Lane{Key: "account:" + id, Shared: account.IsCollective(id)}
}
