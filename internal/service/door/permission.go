package door

import "fmt"

// Role is a role of a member of staff (api.md 1.5).
type Role string

const (
	SuperOwner Role = "SUPER_OWNER"
	SuperAdmin Role = "SUPER_ADMIN"
	Admin      Role = "ADMIN"
	Moderator  Role = "MODERATOR"
	Developer  Role = "DEVELOPER"
	Auditor    Role = "AUDITOR"
)

// Roles lists every role in the order of the matrix columns.
var Roles = [6]Role{SuperOwner, SuperAdmin, Admin, Moderator, Developer, Auditor}

// levels order the roles: who manages accounts does so below their own level.
var levels = map[Role]int{SuperOwner: 100, SuperAdmin: 90, Admin: 50, Moderator: 30, Developer: 20, Auditor: 10}

// Level returns the rank of the role, 0 for an unknown one.
func (r Role) Level() int { return levels[r] }

// Permission is one thing that staff may do. The zero value is none.
type Permission uint8

const (
	noPermission Permission = iota
	SystemStatusRead
	SystemPause
	SystemResume
	SystemBootstrap
	UserList
	UserView
	UserApprove
	UserDeny
	UserRegisterOnchain
	UserFreeze
	UserUnfreeze
	UserPIIReveal
	WalletFreeze
	WalletUnfreeze
	TreasuryView
	TreasuryActivate
	TreasuryTransfer
	GenesisDistribute
	LoanView
	LoanApprove
	GovernanceExecute
	TaxApply
	OrgActivate
	ApprovalView
	ApprovalCreate
	ApprovalApprove
	ApprovalReject
	AdminList
	AdminCreate
	AdminUpdate
	AdminDelete
	AdminRoleChange
	AuditView
	AuditExport
	ConfigView
	ConfigUpdate
	CountryInitialize
	WebhookManage
	DeploymentView
	DeploymentCreate
	DeploymentPromoteDevnet
	DeploymentPromoteMainnet
	DeploymentExecute
	DeploymentRollback
	permissionCount
)

// catalogue is the matrix of api.md 1.5.1, one mark for each of Roles: ● may,
// ◐ may through an approval by a second person, · may not.
var catalogue = [permissionCount]struct{ code, risk, marks string }{
	SystemStatusRead:         {"system:status:read", "LOW", "●●●●●●"},
	SystemPause:              {"system:pause", "CRITICAL", "◐◐◐···"},
	SystemResume:             {"system:resume", "CRITICAL", "◐◐····"},
	SystemBootstrap:          {"system:bootstrap", "CRITICAL", "◐·····"},
	UserList:                 {"user:list", "LOW", "●●●●·●"},
	UserView:                 {"user:view", "LOW", "●●●●·●"},
	UserApprove:              {"user:approve", "MEDIUM", "●●●●··"},
	UserDeny:                 {"user:deny", "MEDIUM", "●●●●··"},
	UserRegisterOnchain:      {"user:register-onchain", "MEDIUM", "●●●···"},
	UserFreeze:               {"user:freeze", "HIGH", "●●●···"},
	UserUnfreeze:             {"user:unfreeze", "HIGH", "●●◐···"},
	UserPIIReveal:            {"user:pii:reveal", "HIGH", "●●●···"},
	WalletFreeze:             {"wallet:freeze", "HIGH", "●●◐···"},
	WalletUnfreeze:           {"wallet:unfreeze", "HIGH", "●●◐···"},
	TreasuryView:             {"treasury:view", "LOW", "●●●··●"},
	TreasuryActivate:         {"treasury:activate", "CRITICAL", "◐◐····"},
	TreasuryTransfer:         {"treasury:transfer", "CRITICAL", "◐·····"},
	GenesisDistribute:        {"genesis:distribute", "CRITICAL", "◐◐····"},
	LoanView:                 {"loan:view", "LOW", "●●●●·●"},
	LoanApprove:              {"loan:approve", "HIGH", "●●◐···"},
	GovernanceExecute:        {"governance:execute", "HIGH", "●●●···"},
	TaxApply:                 {"tax:apply", "CRITICAL", "◐◐····"},
	OrgActivate:              {"org:activate", "MEDIUM", "●●●···"},
	ApprovalView:             {"approval:view", "LOW", "●●●●●●"},
	ApprovalCreate:           {"approval:create", "MEDIUM", "●●●●●·"},
	ApprovalApprove:          {"approval:approve", "CRITICAL", "●●····"},
	ApprovalReject:           {"approval:reject", "CRITICAL", "●●····"},
	AdminList:                {"admin:list", "LOW", "●●···●"},
	AdminCreate:              {"admin:create", "CRITICAL", "◐◐····"},
	AdminUpdate:              {"admin:update", "CRITICAL", "◐◐····"},
	AdminDelete:              {"admin:delete", "CRITICAL", "◐◐····"},
	AdminRoleChange:          {"admin:role:change", "CRITICAL", "◐◐····"},
	AuditView:                {"audit:view", "LOW", "●●●··●"},
	AuditExport:              {"audit:export", "MEDIUM", "●●···●"},
	ConfigView:               {"config:view", "LOW", "●●●·●●"},
	ConfigUpdate:             {"config:update", "CRITICAL", "◐◐····"},
	CountryInitialize:        {"country:initialize", "CRITICAL", "◐◐····"},
	WebhookManage:            {"webhook:manage", "HIGH", "●●····"},
	DeploymentView:           {"deployment:view", "LOW", "●●●·●●"},
	DeploymentCreate:         {"deployment:create", "MEDIUM", "●●●·●·"},
	DeploymentPromoteDevnet:  {"deployment:promote:devnet-testnet", "MEDIUM", "●●●·●·"},
	DeploymentPromoteMainnet: {"deployment:promote:testnet-mainnet", "CRITICAL", "◐◐····"},
	DeploymentExecute:        {"deployment:execute", "CRITICAL", "◐·····"},
	DeploymentRollback:       {"deployment:rollback", "CRITICAL", "◐·····"},
}

// set is a set of permissions, one bit each.
type set uint64

func (s set) has(p Permission) bool { return s&(1<<p) != 0 }

// grants holds what each role may do alone and with a second person.
var grants = func() map[Role]struct{ alone, together set } {
	out := map[Role]struct{ alone, together set }{}
	for p := noPermission + 1; p < permissionCount; p++ {
		marks := []rune(catalogue[p].marks)
		if len(marks) != len(Roles) {
			panic(fmt.Sprintf("door: permission %q has %d marks", catalogue[p].code, len(marks)))
		}
		for i, mark := range marks {
			g := out[Roles[i]]
			switch mark {
			case '●':
				g.alone |= 1 << p
			case '◐':
				g.together |= 1 << p
			}
			out[Roles[i]] = g
		}
	}
	return out
}()

// permissionByCode finds a permission by its code.
var permissionByCode = func() map[string]Permission {
	out := map[string]Permission{}
	for p := noPermission + 1; p < permissionCount; p++ {
		out[catalogue[p].code] = p
	}
	return out
}()

// String returns the code, for example "user:approve".
func (p Permission) String() string { return catalogue[p].code }

// Risk returns LOW, MEDIUM, HIGH or CRITICAL.
func (p Permission) Risk() string { return catalogue[p].risk }

// May reports whether the role holds the permission alone.
func (r Role) May(p Permission) bool { return p != noPermission && grants[r].alone.has(p) }

// MayWithApproval reports whether the role holds the permission together with a second person.
func (r Role) MayWithApproval(p Permission) bool {
	return p != noPermission && grants[r].together.has(p)
}

// Permissions lists every permission in the order of the matrix.
func Permissions() []Permission {
	out := make([]Permission, 0, permissionCount-1)
	for p := noPermission + 1; p < permissionCount; p++ {
		out = append(out, p)
	}
	return out
}
