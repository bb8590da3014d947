package contract

import (
	"slices"
	"time"

	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// PendingTransaction is what an organization does when enough of its approvers
// agree: a payment, or a new rule. Rule, group and number of approvals are those
// of its beginning.
type PendingTransaction struct {
	PendingTxID       string            `json:"pendingTxID"`
	OrgID             string            `json:"orgID"`
	Operation         status.Operation  `json:"operation"`
	Status            status.MultiSig   `json:"status"`
	InitiatorID       string            `json:"initiatorID"`
	FromID            string            `json:"fromID,omitzero"` // the organization or a treasury, for a payment
	ToID              string            `json:"toID,omitzero"`
	Amount            qirat.Amount      `json:"amount"`
	Remark            string            `json:"remark"`
	Rule              *command.AuthRule `json:"rule,omitzero"`
	RuleID            string            `json:"ruleID"` // that the approvals follow
	RequiredApprovals int               `json:"requiredApprovals"`
	ApproverGroup     []string          `json:"approverGroup"`
	Approvals         []string          `json:"approvals"` // approvers, in the order in which they agreed
	Rejections        []string          `json:"rejections"`
	LastFailure       *failure          `json:"lastFailure,omitzero"`
	CreatedAt         time.Time         `json:"createdAt"`
	ExpiresAt         time.Time         `json:"expiresAt"` // it can be executed before
	EndedAt           *time.Time        `json:"endedAt,omitzero"`
	EndedTx           string            `json:"endedTx,omitzero"`
}

// failure is why an execution did not succeed.
type failure struct {
	Code    Code      `json:"code"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// multiSigResult is how far a pending transaction has come.
type multiSigResult struct {
	PendingTxID string          `json:"pendingTxID"`
	Status      status.MultiSig `json:"status"`
	LastFailure *failure        `json:"lastFailure,omitzero"`
}

func (x *PendingTransaction) result() *multiSigResult {
	return &multiSigResult{x.PendingTxID, x.Status, x.LastFailure}
}

func init() {
	handle(initiateMultiSigTx, initiateMultiSigTxKeys,
		"MultiSigTxInitiated", "TransferCompleted", "MultiSigTxExecuted", "MultiSigTxExecutionFailed")
	handle(approveMultiSigTx, func(p *command.ApproveMultiSigTx) []string {
		return executionKeys(p.PendingTxID, p.ActorID, p.OrgID, p.FromID, p.ToID)
	}, "MultiSigTxApproved", "TransferCompleted", "AuthRuleDefined", "MultiSigTxExecuted", "MultiSigTxExecutionFailed")
	handle(rejectMultiSigTx, func(p *command.RejectMultiSigTx) []string { return pendingTxKeys(p.PendingTxID, p.ActorID, p.OrgID) },
		"MultiSigTxRejected")
	handle(cancelMultiSigTx, func(p *command.CancelMultiSigTx) []string { return pendingTxKeys(p.PendingTxID, p.ActorID, p.OrgID) },
		"MultiSigTxCancelled")
	handle(executeMultiSigTx, func(p *command.ExecuteMultiSigTx) []string {
		return executionKeys(p.PendingTxID, p.ActorID, p.OrgID, p.FromID, p.ToID)
	}, "TransferCompleted", "AuthRuleDefined", "MultiSigTxExecuted", "MultiSigTxExecutionFailed")
	handle(expireMultiSigTx, func(p *command.ExpireMultiSigTx) []string { return []string{pendingTxKey(p.PendingTxID)} },
		"MultiSigTxExpired")
	query(command.OrganizationContract, "GetPendingTransaction", []string{"pendingTxID"}, func(t *tx, args []string) (*PendingTransaction, error) {
		return t.pendingTx(args[0])
	})
	query(command.OrganizationContract, "ListPendingTransactions", []string{"orgID", "pageSize", "bookmark"}, listPendingTransactions)
}

func pendingTxKey(id string) string { return compositeKey("ptx", id) }

// pendingOfKey is the entry of an open transaction in the index of its
// organization.
func pendingOfKey(orgID, id string) string { return compositeKey("ptxOrg", orgID, id) }

func pendingTxKeys(id, actorID, orgID string) []string {
	keys := []string{pendingTxKey(id), accountKey(actorID)}
	if orgID != "" {
		keys = append(keys, organizationKeys(orgID, "")...)
	}
	return keys
}

// executionKeys lists what an attempt to execute reads.
func executionKeys(id, actorID, orgID, fromID, toID string) []string {
	keys := pendingTxKeys(id, actorID, orgID)
	if fromID != "" {
		keys = append(keys, accountKey(fromID), accountKey(toID))
		keys = append(keys, feeKeys...)
	}
	return keys
}

// pendingTx returns a transaction of any status.
func (t *tx) pendingTx(id string) (*PendingTransaction, error) {
	x, err := load[PendingTransaction](t, pendingTxKey(id))
	if err == nil && x == nil {
		err = refuse(CodeNotFound, "pending transaction %s does not exist", id)
	}
	return x, err
}

func (t *tx) setPendingTx(x *PendingTransaction) error {
	return store(t, pendingTxKey(x.PendingTxID), x)
}

// undecided returns a transaction that has not come to an end. orgID is what the
// caller says of it, possibly nothing.
func (t *tx) undecided(id, orgID string) (*PendingTransaction, error) {
	x, err := t.pendingTx(id)
	switch {
	case err != nil:
		return nil, err
	case orgID != "" && orgID != x.OrgID:
		return nil, refuse(CodeInvalidArgument, "orgID: is not that of pending transaction %s", id)
	case x.Status != status.MultiSigPending:
		return nil, refuse(CodeInvalidState, "pending transaction %s is %s", id, x.Status)
	}
	return x, nil
}

// signed returns a transaction on which a stakeholder, who may act, has a say,
// with its organization.
func (t *tx) signed(id, orgID, actorID string) (*PendingTransaction, *Organization, error) {
	if _, err := t.actor(actorID); err != nil {
		return nil, nil, err
	}
	x, err := t.undecided(id, orgID)
	if err != nil {
		return nil, nil, err
	}
	if !t.now.Before(x.ExpiresAt) {
		return nil, nil, refuse(CodeExpired, "pending transaction %s has expired", id)
	}
	o, err := t.organization(x.OrgID)
	if err != nil {
		return nil, nil, err
	}
	return x, o, o.admit(actorID)
}

// executable returns a transaction that the command of a stakeholder may
// execute, with its organization. The ids are what the caller says of it.
func (t *tx) executable(id, actorID, orgID, fromID, toID string) (*PendingTransaction, *Organization, error) {
	x, o, err := t.signed(id, orgID, actorID)
	if err != nil {
		return nil, nil, err
	}
	if orgID != "" && (fromID != x.FromID || toID != x.ToID) {
		return nil, nil, refuse(CodeInvalidArgument, "fromID and toID: are not those of pending transaction %s", id)
	}
	return x, o, o.operating()
}

// answer checks that an approver has not answered yet.
func (x *PendingTransaction) answer(actorID string) error {
	switch {
	case !slices.Contains(x.ApproverGroup, actorID):
		return refuse(CodeUnauthorized, "%s is no approver of pending transaction %s", actorID, x.PendingTxID)
	case slices.Contains(x.Approvals, actorID):
		return refuse(CodeAlreadyApproved, "%s has approved pending transaction %s already", actorID, x.PendingTxID)
	case slices.Contains(x.Rejections, actorID):
		return refuse(CodeInvalidState, "%s has rejected pending transaction %s", actorID, x.PendingTxID)
	}
	return nil
}

func (x *PendingTransaction) approved() bool { return len(x.Approvals) >= x.RequiredApprovals }

// initiate begins a transaction under a rule. The initiator's own approval
// counts when they are an approver, and may be enough.
func (t *tx) initiate(o *Organization, x *PendingTransaction, r *Rule) (*multiSigResult, error) {
	validity, err := t.days(parameter.MultiSigExpiryDays)
	if err != nil {
		return nil, err
	}
	x.PendingTxID, x.OrgID, x.Status = t.newID(command.MultiSigPrefix), o.OrgID, status.MultiSigPending
	x.RuleID, x.RequiredApprovals, x.ApproverGroup = r.RuleID, r.RequiredApprovers, r.ApproverGroup
	x.Approvals, x.Rejections = []string{}, []string{}
	x.CreatedAt, x.ExpiresAt = t.now, t.now.Add(validity)
	approves := slices.Contains(x.ApproverGroup, x.InitiatorID)
	if approves {
		x.Approvals = append(x.Approvals, x.InitiatorID)
	}
	t.put(pendingOfKey(x.OrgID, x.PendingTxID), []byte{'1'})
	if err := t.emit(&event.MultiSigTxInitiated{
		PendingTxID: x.PendingTxID, OrgID: x.OrgID, Operation: x.Operation, InitiatorID: x.InitiatorID,
		FromID: x.FromID, ToID: x.ToID, Amount: x.Amount, Remark: x.Remark, Rule: (*event.Rule)(x.Rule),
		RuleID: x.RuleID, RequiredApprovals: x.RequiredApprovals, ApproverGroup: x.ApproverGroup, Approved: approves, ExpiresAt: x.ExpiresAt,
	}); err != nil {
		return nil, err
	}
	return t.settle(o, x, x.InitiatorID)
}

// settle executes a transaction that has its approvals, and stores it. A refusal
// of the execution is kept, and the transaction stays pending.
func (t *tx) settle(o *Organization, x *PendingTransaction, by string) (*multiSigResult, error) {
	if x.approved() {
		err := t.try(func() error { return t.carryOut(o, x) })
		var outcome event.Event = &event.MultiSigTxExecuted{PendingTxID: x.PendingTxID, OrgID: x.OrgID, ExecutedBy: by}
		if refused := refusal(err); refused != nil {
			x.LastFailure = &failure{refused.Code, refused.Message, t.now}
			outcome = &event.MultiSigTxExecutionFailed{
				PendingTxID: x.PendingTxID, OrgID: x.OrgID, Code: string(refused.Code), Message: refused.Message,
			}
		} else if err != nil {
			return nil, err
		} else {
			x.LastFailure = nil
			t.end(x, status.MultiSigExecuted)
		}
		if err := t.emit(outcome); err != nil {
			return nil, err
		}
	}
	return x.result(), t.setPendingTx(x)
}

// end brings a transaction, which is still to be stored, to its end.
func (t *tx) end(x *PendingTransaction, s status.MultiSig) {
	x.Status, x.EndedAt, x.EndedTx = s, &t.now, t.stub.TxID()
	t.delete(pendingOfKey(x.OrgID, x.PendingTxID))
}

// carryOut does what a transaction is for.
func (t *tx) carryOut(o *Organization, x *PendingTransaction) error {
	if x.Operation == status.OperationRule {
		return t.setRule(o, *x.Rule, x.InitiatorID)
	}
	from, err := t.purse(x.OrgID, x.FromID)
	if err != nil {
		return err
	}
	to, err := t.payee(x.ToID)
	if err != nil {
		return err
	}
	quote, err := t.quote(from, to, x.Amount, "")
	if err != nil {
		return err
	}
	return t.pay(movement{From: from, To: to, Amount: x.Amount, Type: EntryOrgTransfer, Quote: quote, Remark: x.Remark, Ref: x.PendingTxID})
}

// purse returns an account that an organization pays from: its own, or that of
// a treasury in its control.
func (t *tx) purse(orgID, id string) (*Account, error) {
	a, err := t.payer(id)
	if err == nil && a.AccountID != orgID && a.Owner != orgID {
		err = refuse(CodeUnauthorized, "organization %s does not control %s", orgID, id)
	}
	return a, err
}

func initiateMultiSigTxKeys(p *command.InitiateMultiSigTx) []string {
	keys := append(organizationKeys(p.OrgID, p.ActorID), accountKey(p.ToID), parameterKey(parameter.MultiSigExpiryDays))
	if p.FromID != "" {
		keys = append(keys, accountKey(p.FromID))
	}
	return append(keys, feeKeys...)
}

func initiateMultiSigTx(t *tx, p *command.InitiateMultiSigTx) (any, error) {
	o, err := t.stake(p.OrgID, p.ActorID)
	if err != nil {
		return nil, err
	}
	if err := o.operating(); err != nil {
		return nil, err
	}
	x := &PendingTransaction{
		Operation: status.OperationTransfer, InitiatorID: p.ActorID, FromID: p.OrgID, ToID: p.ToID, Amount: p.Amount, Remark: p.Remark,
	}
	if p.FromID != "" {
		x.FromID = p.FromID
	}
	if _, err := t.purse(o.OrgID, x.FromID); err != nil {
		return nil, err
	}
	if _, err := t.account(x.ToID); err != nil {
		return nil, err
	}
	return t.initiate(o, x, o.ruleFor(x.Amount))
}

func approveMultiSigTx(t *tx, p *command.ApproveMultiSigTx) (any, error) {
	x, o, err := t.executable(p.PendingTxID, p.ActorID, p.OrgID, p.FromID, p.ToID)
	if err != nil {
		return nil, err
	}
	if err := x.answer(p.ActorID); err != nil {
		return nil, err
	}
	x.Approvals = append(x.Approvals, p.ActorID)
	if err := t.emit(&event.MultiSigTxApproved{
		PendingTxID: x.PendingTxID, OrgID: x.OrgID, ApproverID: p.ActorID, Approvals: len(x.Approvals), RequiredApprovals: x.RequiredApprovals,
	}); err != nil {
		return nil, err
	}
	return t.settle(o, x, p.ActorID)
}

func rejectMultiSigTx(t *tx, p *command.RejectMultiSigTx) (any, error) {
	x, _, err := t.signed(p.PendingTxID, p.OrgID, p.ActorID)
	if err != nil {
		return nil, err
	}
	if err := x.answer(p.ActorID); err != nil {
		return nil, err
	}
	x.Rejections = append(x.Rejections, p.ActorID)
	if len(x.ApproverGroup)-len(x.Rejections) < x.RequiredApprovals {
		t.end(x, status.MultiSigRejected)
	}
	if err := t.emit(&event.MultiSigTxRejected{
		PendingTxID: x.PendingTxID, OrgID: x.OrgID, RejectedBy: p.ActorID, Reason: p.Reason, Status: x.Status,
	}); err != nil {
		return nil, err
	}
	return x.result(), t.setPendingTx(x)
}

func cancelMultiSigTx(t *tx, p *command.CancelMultiSigTx) (any, error) {
	x, _, err := t.signed(p.PendingTxID, p.OrgID, p.ActorID)
	if err != nil {
		return nil, err
	}
	if p.ActorID != x.InitiatorID {
		return nil, refuse(CodeUnauthorized, "%s did not initiate pending transaction %s", p.ActorID, x.PendingTxID)
	}
	t.end(x, status.MultiSigCancelled)
	if err := t.emit(&event.MultiSigTxCancelled{PendingTxID: x.PendingTxID, OrgID: x.OrgID, CancelledBy: p.ActorID}); err != nil {
		return nil, err
	}
	return x.result(), t.setPendingTx(x)
}

func executeMultiSigTx(t *tx, p *command.ExecuteMultiSigTx) (any, error) {
	x, o, err := t.executable(p.PendingTxID, p.ActorID, p.OrgID, p.FromID, p.ToID)
	if err != nil {
		return nil, err
	}
	if !x.approved() {
		return nil, refuse(CodeInvalidState, "pending transaction %s has %d of %d approvals", x.PendingTxID, len(x.Approvals), x.RequiredApprovals)
	}
	return t.settle(o, x, p.ActorID)
}

func expireMultiSigTx(t *tx, p *command.ExpireMultiSigTx) (any, error) {
	x, err := t.undecided(p.PendingTxID, p.OrgID)
	if err != nil {
		return nil, err
	}
	if t.now.Before(x.ExpiresAt) {
		return nil, refuse(CodeInvalidState, "pending transaction %s is open until %s", x.PendingTxID, x.ExpiresAt.Format(time.RFC3339))
	}
	t.end(x, status.MultiSigExpired)
	if err := t.emit(&event.MultiSigTxExpired{PendingTxID: x.PendingTxID, OrgID: x.OrgID}); err != nil {
		return nil, err
	}
	return x.result(), t.setPendingTx(x)
}

func listPendingTransactions(t *tx, args []string) (*page[*PendingTransaction], error) {
	if _, err := t.organization(args[0]); err != nil {
		return nil, err
	}
	return list(t, compositeKey("ptxOrg", args[0]), args[1], args[2], func(key string, _ *int) (*PendingTransaction, error) {
		return t.pendingTx(attributes(key)[1])
	})
}
