// Package status says how far the things that the ledger keeps have come: one
// spelling of every state for contracts, events, read models and doors
// (domain.md 4.2). Those of accounts are in package account.
package status

// Relationship is the status of a relationship.
type Relationship string

const (
	RelationshipPending   Relationship = "PENDING_CONFIRMATION"
	RelationshipConfirmed Relationship = "CONFIRMED"
	RelationshipRejected  Relationship = "REJECTED"
	RelationshipEnded     Relationship = "ENDED"
)

// Recovery is the status of the recovery of a lost account.
type Recovery string

const (
	RecoveryPending   Recovery = "PENDING"   // guardians vote
	RecoveryConfirmed Recovery = "CONFIRMED" // the account is frozen, its owner may object
	RecoveryExecuted  Recovery = "EXECUTED"
	RecoveryCancelled Recovery = "CANCELLED"
	RecoveryExpired   Recovery = "EXPIRED"
)

// Organization is the status of an organization.
type Organization string

const (
	OrganizationPending Organization = "PENDING_ENDORSEMENT"
	OrganizationActive  Organization = "ACTIVE"
	OrganizationLocked  Organization = "LOCKED" // its account is frozen
)

// MultiSig is the status of a transaction that needs several signatures.
type MultiSig string

const (
	MultiSigPending   MultiSig = "PENDING"
	MultiSigExecuted  MultiSig = "EXECUTED"
	MultiSigRejected  MultiSig = "REJECTED"
	MultiSigCancelled MultiSig = "CANCELLED"
	MultiSigExpired   MultiSig = "EXPIRED"
)

// Operation is what such a transaction does.
type Operation string

const (
	OperationTransfer Operation = "TRANSFER"         // pays
	OperationRule     Operation = "DEFINE_AUTH_RULE" // adds or replaces a rule
)

// Loan is the status of a loan.
type Loan string

const (
	LoanPending   Loan = "PENDING_APPROVAL"
	LoanActive    Loan = "ACTIVE"
	LoanPaid      Loan = "PAID"
	LoanDefaulted Loan = "DEFAULTED"
	LoanRejected  Loan = "REJECTED"
	LoanCancelled Loan = "CANCELLED"
)

// Collateral is the status of the collateral of a loan.
type Collateral string

const (
	CollateralPledged  Collateral = "PLEDGED"
	CollateralReleased Collateral = "RELEASED"
	CollateralSeized   Collateral = "SEIZED"
)

// Proposal is the status of a proposal.
type Proposal string

const (
	ProposalActive          Proposal = "ACTIVE"
	ProposalExecuted        Proposal = "EXECUTED"
	ProposalFailed          Proposal = "FAILED"           // by its votes
	ProposalFailedExecution Proposal = "FAILED_EXECUTION" // the value is not valid any more
	ProposalCancelled       Proposal = "CANCELLED"
)

// ParameterSource says who changed a parameter.
type ParameterSource string

const (
	SourceProposal  ParameterSource = "PROPOSAL"
	SourceEmergency ParameterSource = "EMERGENCY"
)

// Treasury is the status of a national treasury; it is credited in both.
type Treasury string

const (
	TreasuryLocked Treasury = "LOCKED"
	TreasuryActive Treasury = "ACTIVE"
)
