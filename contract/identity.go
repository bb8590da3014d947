package contract

import (
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/genesis"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/trust"
)

// User is a person. Balance, status and velocity timer are in the account of
// the same id.
type User struct {
	UserID            string         `json:"userID"`
	BiometricHash     string         `json:"biometricHash"`
	Nationality       string         `json:"nationality"`
	Age               int            `json:"age"` // at the registration; rules compute it from the id
	TrustScore        int            `json:"trustScore"`
	LoanScoreAdj      int            `json:"loanScoreAdj"`
	LoanDefaults      int            `json:"loanDefaults"`
	OpenLoans         int            `json:"openLoans"`    // applied for, running or defaulted
	LoanExposure      qirat.Amount   `json:"loanExposure"` // what they come to: applied for and outstanding
	LoanBanned        bool           `json:"loanBanned"`
	GenesisMinted     bool           `json:"genesisMinted"` // the claim is decided for good
	GenesisStatus     genesis.Status `json:"genesisStatus"`
	GenesisPhase      int            `json:"genesisPhase"`
	GenesisAmount     qirat.Amount   `json:"genesisAmount"`
	GenesisAt         *time.Time     `json:"genesisAt,omitzero"`
	RecoveryEpoch     int            `json:"recoveryEpoch"`
	ControllerKeyHash string         `json:"controllerKeyHash,omitzero"`
	OrgIDs            []string       `json:"orgIDs"`
	CreatedAt         time.Time      `json:"createdAt"`
	UpdatedTx         string         `json:"updatedTx"`
}

func init() {
	handle(createUser, createUserKeys, "UserCreated", "GenesisDistributed", "TreasuryAllocated")
	handle(createUsersBatch, createUsersBatchKeys, "UserCreated", "GenesisDistributed", "TreasuryAllocated")
	handle(setUserStatus, setUserStatusKeys, "UserStatusChanged")
	query(command.IdentityContract, "GetUser", []string{"userID"}, getUser)
	query(command.IdentityContract, "UserExists", []string{"userID"}, func(t *tx, args []string) (bool, error) {
		data, err := t.get(userKey(args[0]))
		return data != nil, err
	})
	query(command.IdentityContract, "GetTrustScore", []string{"userID"}, func(t *tx, args []string) (int, error) {
		u, err := t.user(args[0])
		if err != nil {
			return 0, err
		}
		return u.TrustScore, nil
	})
}

func userKey(id string) string        { return compositeKey("user", id) }
func biometricKey(hash string) string { return compositeKey("bio", hash) }

// user returns a person of any status.
func (t *tx) user(id string) (*User, error) {
	u, err := load[User](t, userKey(id))
	if err == nil && u == nil {
		err = refuse(CodeNotFound, "user %s does not exist", id)
	}
	return u, err
}

func (t *tx) setUser(u *User) error {
	u.UpdatedTx = t.stub.TxID()
	return store(t, userKey(u.UserID), u)
}

func createUserKeys(p *command.CreateUser) []string {
	return []string{userKey(p.UserID), accountKey(p.UserID), biometricKey(p.BiometricHash), countryKey(p.Nationality)}
}

func createUsersBatchKeys(p *command.CreateUsersBatch) []string {
	var keys []string
	for i := range p.Users {
		keys = append(keys, createUserKeys(&p.Users[i])...)
	}
	return keys
}

func createUsersBatch(t *tx, p *command.CreateUsersBatch) (any, error) {
	for i := range p.Users {
		if _, err := createUser(t, &p.Users[i]); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func createUser(t *tx, p *command.CreateUser) (any, error) {
	c, err := t.country(p.Nationality)
	if err != nil {
		return nil, err
	}
	age, err := t.age(p.UserID)
	if err != nil {
		return nil, err
	}
	if p.Age < age-1 || p.Age > age+1 {
		return nil, refuse(CodeInvalidArgument, "age: %d does not fit the birth date in the userID, which gives %d", p.Age, age)
	}
	old, err := t.get(userKey(p.UserID))
	if err != nil {
		return nil, err
	}
	if old != nil {
		return nil, refuse(CodeAlreadyExists, "the user %s already exists", p.UserID)
	}
	taken, err := t.get(biometricKey(p.BiometricHash))
	if err != nil {
		return nil, err
	}
	if taken != nil {
		return nil, refuse(CodeAlreadyExists, "the biometricHash is registered already")
	}
	t.put(biometricKey(p.BiometricHash), []byte(p.UserID))
	u := &User{
		UserID: p.UserID, BiometricHash: p.BiometricHash, Nationality: p.Nationality, Age: p.Age,
		TrustScore: trust.Base, OrgIDs: []string{}, CreatedAt: t.now,
	}
	a := &Account{AccountID: p.UserID, Kind: account.Individual, Country: p.Nationality, Status: account.Active}
	if err := t.addAccount(a); err != nil {
		return nil, err
	}
	c.Users++
	g := decideGenesis(c, age)
	if err := t.emit(&event.UserCreated{
		UserID: u.UserID, BiometricHash: u.BiometricHash, Nationality: u.Nationality, Status: string(a.Status),
		TrustScore: u.TrustScore, GenesisStatus: string(g.status), At: t.now,
	}); err != nil {
		return nil, err
	}
	return nil, t.distributeGenesis(u, a, c, g)
}

// age returns the age of the person that a GX id stands for.
func (t *tx) age(userID string) (int, error) {
	id, err := gxid.Parse(userID)
	if err != nil {
		return 0, refuse(CodeInvalidArgument, "userID: %v", err)
	}
	if id.Type != gxid.Individual {
		return 0, refuse(CodeInvalidArgument, "userID: is not the id of a person")
	}
	if id.Born.After(t.now) {
		return 0, refuse(CodeInvalidArgument, "userID: has a birth date in the future")
	}
	return genesis.Age(id.Born, t.now), nil
}

func setUserStatusKeys(p *command.SetUserStatus) []string {
	return []string{userKey(p.UserID), accountKey(p.UserID)}
}

func setUserStatus(t *tx, p *command.SetUserStatus) (any, error) {
	u, err := t.user(p.UserID)
	if err != nil {
		return nil, err
	}
	a, err := t.account(p.UserID)
	if err != nil {
		return nil, err
	}
	old := a.Status
	next, _ := account.ParseStatus(p.Status)
	if !old.CanBecome(next) {
		return nil, refuse(CodeInvalidState, "user %s is %s and cannot become %s", p.UserID, old, next)
	}
	switch {
	case next == account.Closed && a.Balance > 0:
		return nil, refuse(CodeInvalidState, "the account of %s still holds %s Qirat", p.UserID, a.Balance)
	case next == account.Closed && u.OpenLoans > 0:
		return nil, refuse(CodeInvalidState, "%s still has %d open loans", p.UserID, u.OpenLoans)
	}
	if err := t.setStatus(a, next, p.Reason); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.UserStatusChanged{UserID: p.UserID, OldStatus: old, NewStatus: next, Reason: p.Reason})
}

// userView is a person with their guardians and what their account says.
type userView struct {
	User
	Guardians             []string       `json:"guardians"`
	Status                account.Status `json:"status"`
	FrozenReason          string         `json:"frozenReason,omitzero"`
	FrozenAt              *time.Time     `json:"frozenAt,omitzero"`
	VelocityTaxTimerStart *time.Time     `json:"velocityTaxTimerStart,omitzero"`
	VelocityTaxLastCheck  *time.Time     `json:"velocityTaxLastCheck,omitzero"`
	VelocityTaxExempt     bool           `json:"velocityTaxExempt"`
}

func getUser(t *tx, args []string) (*userView, error) {
	u, err := t.user(args[0])
	if err != nil {
		return nil, err
	}
	a, err := t.account(args[0])
	if err != nil {
		return nil, err
	}
	g, err := load[Guardians](t, guardiansKey(args[0]))
	if err != nil {
		return nil, err
	}
	if g == nil {
		g = &Guardians{}
	}
	return &userView{*u, g.GuardianIDs, a.Status, a.FrozenReason, a.FrozenAt, a.VelocityTaxTimerStart, a.VelocityTaxLastCheck, a.VelocityTaxExempt}, nil
}
