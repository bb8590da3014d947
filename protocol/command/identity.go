package command

import (
	"fmt"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/role"
)

// IdentityContract is the name of the contract.
const IdentityContract = "IdentityContract"

// The command types of IdentityContract.
const (
	TypeCreateUser       Type = "CREATE_USER"
	TypeCreateUsersBatch Type = "CREATE_USERS_BATCH"
	TypeSetUserStatus    Type = "SET_USER_STATUS"
)

// CreateUser registers a verified person and distributes genesis.
type CreateUser struct {
	UserID        string `json:"userID"`        // GX id
	BiometricHash string `json:"biometricHash"` // 64 lower-case hex digits, unique on the ledger
	Nationality   string `json:"nationality"`   // ISO 3166-1 alpha-2
	Age           int    `json:"age"`           // cross-checked against the GX id, one year of tolerance
}

// CreateUsersBatch registers up to MaxUsersInBatch people of one country, all or none.
type CreateUsersBatch struct {
	Users []CreateUser `json:"users"`
}

// SetUserStatus changes what a person may do, see account.Status.CanBecome.
type SetUserStatus struct {
	UserID string `json:"userID"`
	Status string `json:"status"` // as account.ParseStatus reads it
	Reason string `json:"reason"`
}

func init() {
	define(Definition{TypeCreateUser, IdentityContract, "CreateUser", []role.Role{role.PartnerAPI, role.Admin}, func() Payload { return new(CreateUser) }})
	define(Definition{TypeCreateUsersBatch, IdentityContract, "CreateUsersBatch", []role.Role{role.PartnerAPI}, func() Payload { return new(CreateUsersBatch) }})
	define(Definition{TypeSetUserStatus, IdentityContract, "SetUserStatus", []role.Role{role.SuperAdmin}, func() Payload { return new(SetUserStatus) }})
}

func (*CreateUser) CommandType() Type { return TypeCreateUser }
func (*CreateUser) Actor() string     { return "" }

func (p *CreateUser) Lanes() []Lane {
	return touches(append(genesisLanes(p.UserID, p.Nationality), exclusive("biometric:"+p.BiometricHash))...)
}

func (p *CreateUser) Validate() error {
	var c checks
	c.user("", p)
	return c.err()
}

func (*CreateUsersBatch) CommandType() Type { return TypeCreateUsersBatch }
func (*CreateUsersBatch) Actor() string     { return "" }

func (p *CreateUsersBatch) Lanes() []Lane {
	var lanes []Lane
	seen := map[Lane]bool{}
	for i := range p.Users {
		for _, l := range p.Users[i].Lanes() {
			if !seen[l] {
				seen[l] = true
				lanes = append(lanes, l)
			}
		}
	}
	return lanes
}

func (p *CreateUsersBatch) Validate() error {
	var c checks
	if len(p.Users) == 0 || len(p.Users) > MaxUsersInBatch {
		c.fail("users", "must list 1 to %d people", MaxUsersInBatch)
	}
	for i := range p.Users {
		prefix := fmt.Sprintf("users[%d].", i)
		c.user(prefix, &p.Users[i])
		if p.Users[i].Nationality != p.Users[0].Nationality {
			c.fail(prefix+"nationality", "must be the same for the whole batch")
		}
	}
	return c.err()
}

func (*SetUserStatus) CommandType() Type { return TypeSetUserStatus }
func (*SetUserStatus) Actor() string     { return "" }
func (p *SetUserStatus) Lanes() []Lane   { return touches(accountLane(p.UserID)) }

func (p *SetUserStatus) Validate() error {
	var c checks
	c.userID("userID", p.UserID)
	if _, ok := account.ParseStatus(p.Status); !ok {
		c.fail("status", "must be ACTIVE, FROZEN, SUSPENDED, CLOSED or DECEASED")
	}
	c.reason(p.Reason)
	return c.err()
}

func (c *checks) user(prefix string, p *CreateUser) {
	c.userID(prefix+"userID", p.UserID)
	c.hash(prefix+"biometricHash", p.BiometricHash)
	c.country(prefix+"nationality", p.Nationality)
	if p.Age < 0 || p.Age > 150 {
		c.fail(prefix+"age", "must be between 0 and 150")
	}
}
