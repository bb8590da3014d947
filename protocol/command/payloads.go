package command

import (
	"fmt"
	"regexp"
	"unicode"
	"unicode/utf8"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
)

// The command types.
const (
	TypeBootstrapSystem       Type = "BOOTSTRAP_SYSTEM"
	TypeInitializeCountryData Type = "INITIALIZE_COUNTRY_DATA"
	TypePauseSystem           Type = "PAUSE_SYSTEM"
	TypeResumeSystem          Type = "RESUME_SYSTEM"
	TypeCreateUser            Type = "CREATE_USER"
	TypeCreateUsersBatch      Type = "CREATE_USERS_BATCH"
	TypeTransferTokens        Type = "TRANSFER_TOKENS"
	TypeDistributeGenesis     Type = "DISTRIBUTE_GENESIS"
	TypeFreezeWallet          Type = "FREEZE_WALLET"
	TypeUnfreezeWallet        Type = "UNFREEZE_WALLET"
)

// The contracts.
const (
	AdminContract      = "AdminContract"
	IdentityContract   = "IdentityContract"
	TokenomicsContract = "TokenomicsContract"
)

// Limits of payload fields.
const (
	MaxUsersInBatch = 100
	MaxRemarkBytes  = 256
	MaxReasonBytes  = 1000
)

// BootstrapSystem opens the ledger, once.
type BootstrapSystem struct{}

// InitializeCountryData fixes countries and genesis slots, once.
type InitializeCountryData struct {
	Countries []CountryWeight `json:"countries"`
}

// CountryWeight is a country's share of the genesis slots times 10^8.
type CountryWeight struct {
	CountryCode string `json:"countryCode"`
	WeightE8    uint64 `json:"weightE8"`
}

// PauseSystem blocks every state change but ResumeSystem.
type PauseSystem struct {
	Reason string `json:"reason"`
}

// ResumeSystem ends a pause.
type ResumeSystem struct{}

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

// TransferTokens pays from a person to any account; the sender pays the fee.
type TransferTokens struct {
	FromID   string       `json:"fromID"`
	ToID     string       `json:"toID"`
	Amount   qirat.Amount `json:"amount"`
	TypeHint string       `json:"typeHint"` // empty, or the fee type the sender expects
	Remark   string       `json:"remark"`   // at most MaxRemarkBytes bytes, stored verbatim
}

// DistributeGenesis repairs a missing genesis allocation.
type DistributeGenesis struct {
	UserID      string `json:"userID"`
	Nationality string `json:"nationality"`
}

// FreezeWallet blocks an account.
type FreezeWallet struct {
	AccountID string `json:"accountID"`
	Reason    string `json:"reason"`
}

// UnfreezeWallet ends a freeze.
type UnfreezeWallet struct {
	AccountID string `json:"accountID"`
}

func init() {
	define(Definition{TypeBootstrapSystem, AdminContract, "BootstrapSystem", []role.Role{role.SuperAdmin}, func() Payload { return new(BootstrapSystem) }})
	define(Definition{TypeInitializeCountryData, AdminContract, "InitializeCountryData", []role.Role{role.SuperAdmin}, func() Payload { return new(InitializeCountryData) }})
	define(Definition{TypePauseSystem, AdminContract, "PauseSystem", []role.Role{role.SuperAdmin}, func() Payload { return new(PauseSystem) }})
	define(Definition{TypeResumeSystem, AdminContract, "ResumeSystem", []role.Role{role.SuperAdmin}, func() Payload { return new(ResumeSystem) }})
	define(Definition{TypeCreateUser, IdentityContract, "CreateUser", []role.Role{role.PartnerAPI, role.Admin}, func() Payload { return new(CreateUser) }})
	define(Definition{TypeCreateUsersBatch, IdentityContract, "CreateUsersBatch", []role.Role{role.PartnerAPI}, func() Payload { return new(CreateUsersBatch) }})
	define(Definition{TypeTransferTokens, TokenomicsContract, "TransferWithFees", []role.Role{role.PartnerAPI, role.Admin}, func() Payload { return new(TransferTokens) }})
	define(Definition{TypeDistributeGenesis, TokenomicsContract, "DistributeGenesis", []role.Role{role.Admin}, func() Payload { return new(DistributeGenesis) }})
	define(Definition{TypeFreezeWallet, TokenomicsContract, "FreezeWallet", []role.Role{role.SuperAdmin}, func() Payload { return new(FreezeWallet) }})
	define(Definition{TypeUnfreezeWallet, TokenomicsContract, "UnfreezeWallet", []role.Role{role.SuperAdmin}, func() Payload { return new(UnfreezeWallet) }})
}

func (*BootstrapSystem) CommandType() Type       { return TypeBootstrapSystem }
func (*InitializeCountryData) CommandType() Type { return TypeInitializeCountryData }
func (*PauseSystem) CommandType() Type           { return TypePauseSystem }
func (*ResumeSystem) CommandType() Type          { return TypeResumeSystem }
func (*CreateUser) CommandType() Type            { return TypeCreateUser }
func (*CreateUsersBatch) CommandType() Type      { return TypeCreateUsersBatch }
func (*TransferTokens) CommandType() Type        { return TypeTransferTokens }
func (*DistributeGenesis) CommandType() Type     { return TypeDistributeGenesis }
func (*FreezeWallet) CommandType() Type          { return TypeFreezeWallet }
func (*UnfreezeWallet) CommandType() Type        { return TypeUnfreezeWallet }

func (*BootstrapSystem) Actor() string       { return "" }
func (*InitializeCountryData) Actor() string { return "" }
func (*PauseSystem) Actor() string           { return "" }
func (*ResumeSystem) Actor() string          { return "" }
func (*CreateUser) Actor() string            { return "" }
func (*CreateUsersBatch) Actor() string      { return "" }
func (p *TransferTokens) Actor() string      { return p.FromID }
func (*DistributeGenesis) Actor() string     { return "" }
func (*FreezeWallet) Actor() string          { return "" }
func (*UnfreezeWallet) Actor() string        { return "" }

// Every command reads the pause flag, so all but its writers share its lane.
const systemLane = "system"

func exclusive(key string) Lane { return Lane{Key: key} }
func shared(key string) Lane    { return Lane{Key: key, Shared: true} }

// accountLane is exclusive for a balance that is read and written, shared for a
// collective account, which is only appended to.
func accountLane(id string) Lane {
	return Lane{Key: "account:" + id, Shared: account.IsCollective(id)}
}

func (*BootstrapSystem) Lanes() []Lane       { return []Lane{exclusive(systemLane)} }
func (*InitializeCountryData) Lanes() []Lane { return []Lane{exclusive(systemLane)} }
func (*PauseSystem) Lanes() []Lane           { return []Lane{exclusive(systemLane)} }
func (*ResumeSystem) Lanes() []Lane          { return []Lane{exclusive(systemLane)} }

func (p *CreateUser) Lanes() []Lane {
	return []Lane{
		shared(systemLane), accountLane(p.UserID), exclusive("biometric:" + p.BiometricHash), exclusive("country:" + p.Nationality),
		accountLane(account.UserGenesisPool), accountLane(account.GovtGenesisPool), accountLane(account.TreasuryOf(p.Nationality)),
	}
}

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

func (p *TransferTokens) Lanes() []Lane {
	lanes := []Lane{shared(systemLane), accountLane(p.FromID), accountLane(p.ToID)}
	if p.ToID != account.OperationsFund {
		lanes = append(lanes, accountLane(account.OperationsFund))
	}
	return lanes
}

func (p *DistributeGenesis) Lanes() []Lane {
	return []Lane{
		shared(systemLane), accountLane(p.UserID), exclusive("country:" + p.Nationality),
		accountLane(account.UserGenesisPool), accountLane(account.GovtGenesisPool), accountLane(account.TreasuryOf(p.Nationality)),
	}
}

func (p *FreezeWallet) Lanes() []Lane {
	return []Lane{shared(systemLane), exclusive("account:" + p.AccountID)}
}
func (p *UnfreezeWallet) Lanes() []Lane {
	return []Lane{shared(systemLane), exclusive("account:" + p.AccountID)}
}

// checks collects the field errors of one payload.
type checks struct{ errs FieldErrors }

func (c *checks) fail(field, format string, args ...any) {
	c.errs = append(c.errs, FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

func (c *checks) err() error {
	if len(c.errs) == 0 {
		return nil
	}
	return c.errs
}

var (
	hash64      = regexp.MustCompile(`^[0-9a-f]{64}$`)
	countryCode = regexp.MustCompile(`^[A-Z]{2}$`)
	orgID       = regexp.MustCompile(`^[a-z0-9-]{3,64}$`)
)

func (c *checks) userID(field, id string) {
	if id == "" {
		c.fail(field, "userID cannot be empty")
	} else if _, err := gxid.Parse(id); err != nil {
		c.fail(field, "%v", err)
	}
}

func (c *checks) country(field, code string) {
	if !countryCode.MatchString(code) {
		c.fail(field, "must be 2-letter ISO country code")
	}
}

// accountID accepts the form of any account: a person, an organization, a pool or a treasury.
func (c *checks) accountID(field, id string) {
	if code, ok := account.TreasuryCountry(id); ok {
		c.country(field, code)
		return
	}
	if account.IsSystem(id) {
		for _, p := range account.Pools {
			if p.Account == id {
				return
			}
		}
		c.fail(field, "is not a system account")
		return
	}
	if orgID.MatchString(id) {
		return
	}
	if _, err := gxid.Parse(id); err != nil {
		c.fail(field, "%v", err)
	}
}

// text checks free text that goes to the ledger: bounded, valid UTF-8, no control characters.
func (c *checks) text(field, s string, min, max int) {
	switch {
	case !utf8.ValidString(s):
		c.fail(field, "must be valid UTF-8")
	case len(s) > max:
		c.fail(field, "must be at most %d bytes", max)
	case utf8.RuneCountInString(s) < min:
		c.fail(field, "must have at least %d characters", min)
	default:
		for _, r := range s {
			if unicode.IsControl(r) {
				c.fail(field, "must not contain control characters")
				return
			}
		}
	}
}

func (*BootstrapSystem) Validate() error { return nil }
func (*ResumeSystem) Validate() error    { return nil }

func (p *InitializeCountryData) Validate() error {
	var c checks
	if len(p.Countries) == 0 {
		c.fail("countries", "must not be empty")
	}
	seen := map[string]bool{}
	for i, e := range p.Countries {
		field := fmt.Sprintf("countries[%d]", i)
		c.country(field+".countryCode", e.CountryCode)
		if seen[e.CountryCode] {
			c.fail(field+".countryCode", "%s is listed twice", e.CountryCode)
		}
		seen[e.CountryCode] = true
		// The bound keeps slots x weight inside 64 bits for every phase.
		if e.WeightE8 == 0 || e.WeightE8 > 1_000_000_000 {
			c.fail(field+".weightE8", "must be between 1 and 1000000000")
		}
	}
	return c.err()
}

func (p *PauseSystem) Validate() error {
	var c checks
	c.text("reason", p.Reason, 1, MaxReasonBytes)
	return c.err()
}

func (c *checks) user(prefix string, p *CreateUser) {
	c.userID(prefix+"userID", p.UserID)
	if !hash64.MatchString(p.BiometricHash) {
		c.fail(prefix+"biometricHash", "must be 64 characters (SHA-256 hex)")
	}
	c.country(prefix+"nationality", p.Nationality)
	if p.Age < 0 || p.Age > 150 {
		c.fail(prefix+"age", "must be between 0 and 150")
	}
}

func (p *CreateUser) Validate() error {
	var c checks
	c.user("", p)
	return c.err()
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

func (p *TransferTokens) Validate() error {
	var c checks
	c.accountID("fromID", p.FromID)
	c.accountID("toID", p.ToID)
	if p.FromID != "" && p.FromID == p.ToID {
		c.fail("toID", "must differ from fromID")
	}
	if p.Amount == 0 {
		c.fail("amount", "must be greater than 0")
	}
	switch p.TypeHint {
	case "", "P2P", "MERCHANT", "GOVERNMENT", "B2B":
	default:
		c.fail("typeHint", "must be empty, P2P, MERCHANT, GOVERNMENT or B2B")
	}
	c.text("remark", p.Remark, 0, MaxRemarkBytes)
	return c.err()
}

func (p *DistributeGenesis) Validate() error {
	var c checks
	c.userID("userID", p.UserID)
	c.country("nationality", p.Nationality)
	return c.err()
}

func (p *FreezeWallet) Validate() error {
	var c checks
	c.accountID("accountID", p.AccountID)
	c.text("reason", p.Reason, 1, MaxReasonBytes)
	return c.err()
}

func (p *UnfreezeWallet) Validate() error {
	var c checks
	c.accountID("accountID", p.AccountID)
	return c.err()
}
