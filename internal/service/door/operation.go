package door

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/protocol/command"
)

// Operation is something that staff do with the approval of a second person.
// What is to be done is its payload, which is stored, shown and executed as it is.
type Operation struct {
	Name        string
	Permissions []Permission // any of which is needed to ask for it
	Internal    bool         // its payload is made by its own route only

	// Decode reads a payload strictly and checks it.
	Decode func(payload []byte) (any, error)
	// Check refuses what a role may not ask for or approve, though it holds the
	// permission. It may lock what the operation changes. May be nil.
	Check func(ctx context.Context, tx pgx.Tx, role Role, requester uuid.UUID, payload any) error
	// Alone reports whether the requester may do it without a second person, as
	// long as there is none. May be nil.
	Alone func(ctx context.Context, tx pgx.Tx, requester Principal, payload any) (bool, error)
	// Execute does it in tx. A problem that it returns is the outcome, any other
	// error makes the decision be taken again.
	Execute func(ctx context.Context, tx pgx.Tx, r Request, payload any) (command uuid.UUID, err error)
}

// Request is what was asked for.
type Request struct {
	ApprovalID uuid.UUID
	Operation  string
	Resource   string
	Payload    []byte
	Requester  uuid.UUID
	Route, Key string
	Body       []byte // of the request
	Response   []byte // to the request
}

// ledgerOperations are the commands that need a second person when some role
// asks for them, with the permissions that they need.
var ledgerOperations = map[command.Type][]Permission{
	command.TypePauseSystem:           {SystemPause},
	command.TypeResumeSystem:          {SystemResume},
	command.TypeEmergencySetParameter: {ConfigUpdate},
	command.TypeInitializeCountryData: {CountryInitialize},
	command.TypeAppointAdmin:          {AdminCreate},
	command.TypeRevokeAdmin:           {AdminDelete},
	command.TypeActivateTreasury:      {TreasuryActivate},
	command.TypeDisburseFromPool:      {TreasuryTransfer},
	command.TypeTransferInternal:      {TreasuryTransfer},
	command.TypeDistributeGenesis:     {GenesisDistribute},
	command.TypeFreezeWallet:          {WalletFreeze, UserFreeze},
	command.TypeUnfreezeWallet:        {WalletUnfreeze, UserUnfreeze},
	command.TypeSetUserStatus:         {UserFreeze},
	command.TypeExecuteRecovery:       {UserUnfreeze},
	command.TypeApproveLoan:           {LoanApprove},
	command.TypeRejectLoan:            {LoanApprove},
	command.TypeMarkLoanDefaulted:     {LoanApprove},
	command.TypeApplyVelocityTax:      {TaxApply},
	command.TypeSetTaxExempt:          {TaxApply},
}

// Define adds an operation that is not a command.
func (d *Door) Define(o Operation) { d.operations[o.Name] = o }

// Operation returns an operation by name.
func (d *Door) Operation(name string) (Operation, bool) {
	if o, ok := d.operations[name]; ok {
		return o, true
	}
	permissions, ok := ledgerOperations[command.Type(name)]
	return Operation{
		Name: name, Permissions: permissions,
		Decode: func(payload []byte) (any, error) {
			p, err := command.Decode(command.Type(name), payload)
			if err != nil {
				return nil, invalidPayload(err)
			}
			return p, nil
		},
		Execute: d.executeCommand,
	}, ok
}

// executeCommand enqueues a command under the Idempotency-Key of the request, so
// that it can exist once.
func (d *Door) executeCommand(ctx context.Context, tx pgx.Tx, r Request, payload any) (uuid.UUID, error) {
	receipt := Receipt{Message: "Approved and accepted.", AggregateID: r.Resource}
	stored, _, err := d.enqueue(ctx, tx, staffName(r.Requester), r.Route, r.Key, payload.(command.Payload), r.Body, receipt)
	return stored.ID, err
}

// DecodePayload is Operation.Decode for a struct without rules of its own.
func DecodePayload[T any](payload []byte) (any, error) {
	p := new(T)
	if err := json.Unmarshal(payload, p, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("decode payload: %w", err)
	}
	return p, nil
}

// Covers reports whether a role may do what needs the permission, alone or not.
func (r Role) Covers(p Permission) bool { return r.May(p) || r.MayWithApproval(p) }

func (o Operation) permits(p Permission) bool { return slices.Contains(o.Permissions, p) }
