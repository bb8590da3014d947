package organization

import (
	"context"
	"errors"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/status"
)

// MultiSig is what an organization was asked to do: a payment, or a rule.
type MultiSig struct {
	PendingTxID       string           `json:"pendingTxId"`
	TxID              string           `json:"txId" doc:"Same as pendingTxId"`
	OrgID             string           `json:"orgId"`
	Operation         status.Operation `json:"operation" enum:"TRANSFER,DEFINE_AUTH_RULE"`
	Status            status.MultiSig  `json:"status" enum:"PENDING,EXECUTED,REJECTED,CANCELLED,EXPIRED"`
	InitiatorID       string           `json:"initiatorId" doc:"GX id"`
	FromID            string           `json:"fromId,omitzero" doc:"Account that pays"`
	ToID              string           `json:"toId,omitzero"`
	Amount            string           `json:"amount,omitzero" doc:"Qirat"`
	AmountGx          string           `json:"amountGx,omitzero"`
	Remark            string           `json:"remark,omitzero"`
	Rule              *Terms           `json:"rule,omitzero" doc:"To come into force"`
	RuleID            string           `json:"ruleId" doc:"Rule that the approvals follow"`
	RequiredApprovals int              `json:"requiredApprovals"`
	ApprovalCount     int              `json:"approvalCount"`
	ApproverGroup     []string         `json:"approverGroup" doc:"GX ids"`
	Approvals         map[string]bool  `json:"approvals" doc:"Answers by GX id: true agrees, false refuses"`
	Decisions         []Decision       `json:"decisions" doc:"The answers in their order"`
	ExpiresAt         door.Time        `json:"expiresAt"`
	CreatedAt         door.Time        `json:"createdAt"`
	ClosedAt          *door.Time       `json:"closedAt,omitzero"`
	ClosedBy          string           `json:"closedBy,omitzero" doc:"Who executed, rejected or withdrew it"`
	OnChainTxID       string           `json:"onChainTxId,omitzero" doc:"Ledger transaction in which it was closed"`
	LastFailure       *Failure         `json:"lastFailure,omitzero" doc:"Why the last attempt to execute it did not succeed"`
}

// Decision is the answer of an approver.
type Decision struct {
	UserID   string    `json:"userId" doc:"GX id"`
	Approved bool      `json:"approved"`
	Reason   string    `json:"reason,omitzero" doc:"Of a refusal"`
	At       door.Time `json:"at"`
}

// Failure is why something could not be executed.
type Failure struct {
	Code    string     `json:"code" example:"INSUFFICIENT_FUNDS"`
	Message string     `json:"message"`
	At      *door.Time `json:"at,omitzero"`
}

func multiSig(x readmodel.MultiSigState, said []readmodel.MultiSigDecision) MultiSig {
	v := MultiSig{
		PendingTxID: x.PendingTxID, TxID: x.PendingTxID, OrgID: x.OrgID, Operation: x.Operation, Status: x.Status, InitiatorID: x.InitiatorID,
		FromID: x.FromID, ToID: x.ToID, Remark: x.Remark, RuleID: x.RuleID, RequiredApprovals: x.RequiredApprovals, ApprovalCount: x.Approvals,
		ApproverGroup: x.ApproverGroup, Approvals: map[string]bool{}, Decisions: []Decision{}, ExpiresAt: door.Time{Time: x.ExpiresAt}, CreatedAt: door.Time{Time: x.CreatedAt},
		ClosedAt: door.TimeOf(x.ClosedAt), ClosedBy: x.ClosedBy, OnChainTxID: x.ClosedTx,
	}
	if x.Operation == status.OperationTransfer {
		v.Amount, v.AmountGx = x.Amount.String(), x.Amount.GX()
	}
	if r := x.Rule; r != nil {
		t := terms(r.AmountThreshold, r.RequiredApprovers, r.ApproverGroup)
		v.Rule = &t
	}
	if x.FailureCode != "" {
		v.LastFailure = &Failure{x.FailureCode, x.Failure, door.TimeOf(x.FailedAt)}
	}
	for _, d := range said {
		if d.PendingTxID == x.PendingTxID {
			v.Approvals[d.UserID] = d.Approved
			v.Decisions = append(v.Decisions, Decision{d.UserID, d.Approved, d.Reason, door.Time{Time: d.At}})
		}
	}
	return v
}

// views shows a list of transactions with the answers to each.
func (s organization) views(ctx context.Context, l readmodel.List[readmodel.MultiSigState]) (door.List[MultiSig], error) {
	ids := make([]string, len(l.Items))
	for i, x := range l.Items {
		ids[i] = x.PendingTxID
	}
	said, err := readmodel.MultiSigDecisions(ctx, s.Pool, ids...)
	return door.ListOf(l, func(x readmodel.MultiSigState) MultiSig { return multiSig(x, said) }), err
}

type transactionOutput struct {
	Body struct {
		Transaction MultiSig `json:"transaction"`
	}
}

func (s organization) transaction(ctx context.Context, in *pendingInput) (*transactionOutput, error) {
	x, err := s.findMultiSig(ctx, in.PendingTxID)
	if err != nil {
		return nil, err
	}
	if x.OrgID != in.OrgID {
		return nil, errNoTransaction
	}
	said, err := readmodel.MultiSigDecisions(ctx, s.Pool, x.PendingTxID)
	var out transactionOutput
	out.Body.Transaction = multiSig(x, said)
	return &out, err
}

type transactionsInput struct {
	OrgID string `path:"orgId" maxLength:"64"`
	door.Paging
	Status status.MultiSig `query:"status" enum:"PENDING,EXECUTED,REJECTED,CANCELLED,EXPIRED"`
}

type transactionsOutput struct{ Body door.List[MultiSig] }

func (s organization) transactions(ctx context.Context, in *transactionsInput) (*transactionsOutput, error) {
	var statuses []status.MultiSig
	if in.Status != "" {
		statuses = append(statuses, in.Status)
	}
	l, err := s.ofOrganization(ctx, in.OrgID, in.Paging, statuses...)
	return &transactionsOutput{l}, err
}

func (s organization) ofOrganization(ctx context.Context, orgID string, p door.Paging, statuses ...status.MultiSig) (door.List[MultiSig], error) {
	w, err := p.Window()
	if err == nil {
		_, err = s.find(ctx, orgID)
	}
	if err != nil {
		return door.List[MultiSig]{}, err
	}
	l, err := readmodel.MultiSigTxs(ctx, s.Pool, orgID, statuses, w)
	if err != nil {
		return door.List[MultiSig]{}, err
	}
	return s.views(ctx, l)
}

type pendingListInput struct {
	OrgID string `path:"orgId" maxLength:"64"`
	door.Paging
}

type pendingOutput struct {
	Body struct {
		PendingTransactions []MultiSig `json:"pendingTransactions"`
		NextCursor          string     `json:"nextCursor,omitzero"`
		HasMore             bool       `json:"hasMore"`
	}
}

func (s organization) pending(ctx context.Context, in *pendingListInput) (*pendingOutput, error) {
	l, err := s.ofOrganization(ctx, in.OrgID, in.Paging, status.MultiSigPending)
	var out pendingOutput
	out.Body.PendingTransactions, out.Body.NextCursor, out.Body.HasMore = l.Data, l.NextCursor, l.HasMore
	return &out, err
}

// awaiting lists what the caller has still to answer.
func (s organization) awaiting(ctx context.Context, in *struct{ door.Paging }) (*transactionsOutput, error) {
	w, err := in.Window()
	if err != nil {
		return nil, err
	}
	id, err := people.AccountID(ctx, s.Pool, door.Caller(ctx).ID.String())
	var l readmodel.List[readmodel.MultiSigState]
	if err == nil {
		l, err = readmodel.AwaitingApproval(ctx, s.Pool, id, w)
	}
	if err != nil && !errors.Is(err, people.ErrNotFound) {
		return nil, err
	}
	v, err := s.views(ctx, l)
	return &transactionsOutput{v}, err
}
