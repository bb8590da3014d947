package organization

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

type initiateInput struct {
	OrgID string `path:"orgId" maxLength:"64"`
	Body  struct {
		ToID     string       `json:"toId,omitzero" maxLength:"64" doc:"GX id, profile id, or the id of an organization or treasury" example:"LK FF3 ABL912 0WLUY 6025"`
		ToUserID string       `json:"toUserId,omitzero" maxLength:"64" doc:"Alias of toId"`
		FromID   string       `json:"fromId,omitzero" maxLength:"64" doc:"The treasury that pays, when the organization is the government that controls it" example:"treasury_CH"`
		Amount   qirat.Amount `json:"amount" pattern:"^[1-9][0-9]{0,18}$" patternDescription:"decimal digits: a whole number of Qirat above 0" example:"1500000"`
		Remark   string       `json:"remark,omitzero" maxLength:"140" doc:"Shown to both sides"`
	}
}

func (s organization) initiate(ctx context.Context, in *initiateInput) (*door.Accepted, error) {
	b := &in.Body
	if (b.ToID == "") == (b.ToUserID == "") {
		return nil, problem.BadField("toId", "must be given, and not together with toUserId")
	}
	actor, err := s.Actor(ctx)
	if err != nil {
		return nil, err
	}
	o, err := s.find(ctx, in.OrgID)
	if err != nil {
		return nil, err
	}
	if err := s.Refuse(ctx, operating(o)); err != nil {
		return nil, err
	}
	from, err := s.purse(ctx, o, b.FromID)
	if err != nil {
		return nil, err
	}
	to, err := s.payee(ctx, b.ToID+b.ToUserID)
	if err != nil {
		return nil, err
	}
	if to.AccountID == from.AccountID {
		return nil, problem.BadField("toId", "must not be the account that pays")
	}
	q, err := s.price(ctx, from, to, b.Amount)
	if err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.InitiateMultiSigTx{ActorID: actor, OrgID: o.OrgID, FromID: b.FromID, ToID: to.AccountID, Amount: b.Amount, Remark: b.Remark},
		Request: struct {
			named
			FromID string       `json:"fromId"`
			ToID   string       `json:"toId"`
			Amount qirat.Amount `json:"amount"`
			Remark string       `json:"remark"`
		}{named{o.OrgID}, b.FromID, to.AccountID, b.Amount, b.Remark},
		Receipt: door.Receipt{Message: "The payment is being asked for; the command's result names the transaction.", AggregateID: o.OrgID,
			Fee: q.Fee.String(), FeeGx: q.Fee.GX()},
	})
}

// purse returns the account that pays for an organization: its own unless fromID
// names a treasury in its control.
func (s organization) purse(ctx context.Context, o readmodel.OrganizationState, fromID string) (readmodel.AccountState, error) {
	if fromID == "" {
		return readmodel.Account(ctx, s.Pool, o.OrgID)
	}
	code, ok := account.TreasuryCountry(fromID)
	if !ok {
		return readmodel.AccountState{}, problem.BadField("fromId", "must be the account of a treasury")
	}
	t, err := readmodel.Treasury(ctx, s.Pool, code)
	if errors.Is(err, readmodel.ErrNotFound) || err == nil && (t.OrgID == nil || *t.OrgID != o.OrgID) {
		err = s.Refuse(ctx, problem.Invalid(http.StatusForbidden, problem.Field{Field: "fromId", Code: "treasury_not_controlled", Message: "is not in the control of the organization"}))
	}
	if err != nil {
		return readmodel.AccountState{}, err
	}
	return readmodel.Account(ctx, s.Pool, fromID)
}

func (s organization) payee(ctx context.Context, id string) (readmodel.AccountState, error) {
	id, err := people.AccountID(ctx, s.Pool, id)
	var a readmodel.AccountState
	if err == nil {
		a, err = readmodel.Account(ctx, s.Pool, id)
	}
	if errors.Is(err, people.ErrNotFound) || errors.Is(err, readmodel.ErrNotFound) {
		err = problem.New(http.StatusNotFound, "recipient_not_found", "The payee has no account on the ledger.")
	}
	return a, err
}

// price tells what the payment would cost now. It is charged when it is executed.
func (s organization) price(ctx context.Context, from, to readmodel.AccountState, amount qirat.Amount) (fee.Quote, error) {
	schedule, err := s.rates.Schedule(ctx)
	if err != nil {
		return fee.Quote{}, err
	}
	q, err := schedule.Quote(party(from), party(to), amount, "")
	if errors.Is(err, fee.ErrAmount) {
		err = problem.BadField("amount", err.Error())
	}
	return q, err
}

func party(a readmodel.AccountState) fee.Party {
	return fee.Party{ID: a.AccountID, Kind: a.Kind, Country: a.Country}
}

type pendingInput struct {
	OrgID       string `path:"orgId" maxLength:"64"`
	PendingTxID string `path:"pendingTxId" maxLength:"200"`
}

// asked is a transaction on which somebody acts.
type asked struct {
	readmodel.MultiSigState
	org   readmodel.OrganizationState
	said  []readmodel.MultiSigDecision
	actor string
}

func (s organization) findMultiSig(ctx context.Context, id string) (readmodel.MultiSigState, error) {
	x, err := readmodel.MultiSigTx(ctx, s.Pool, id)
	if errors.Is(err, readmodel.ErrNotFound) {
		err = errNoTransaction
	}
	return x, err
}

var errNoTransaction = problem.New(http.StatusNotFound, "transaction_not_found", "The organization has no such transaction.")

// ask returns a transaction of an organization with what the caller needs to know
// to act on it.
func (s organization) ask(ctx context.Context, in *pendingInput) (a asked, err error) {
	if a.actor, err = s.Actor(ctx); err != nil {
		return a, err
	}
	if a.MultiSigState, err = s.findMultiSig(ctx, in.PendingTxID); err != nil {
		return a, err
	}
	if a.OrgID != in.OrgID {
		return a, errNoTransaction
	}
	if a.org, err = s.find(ctx, a.OrgID); err != nil {
		return a, err
	}
	a.said, err = readmodel.MultiSigDecisions(ctx, s.Pool, a.PendingTxID)
	return a, err
}

// open refuses what has come to its end.
func (s organization) open(a asked) error {
	switch {
	case a.Status != status.MultiSigPending:
		return wrongState("The transaction is " + string(a.Status) + ".")
	case !s.Clock().Before(a.ExpiresAt):
		return problem.New(http.StatusConflict, "transaction_expired", "The time for the transaction is over.")
	}
	return nil
}

// answer refuses who is not asked, and who has answered already.
func (s organization) answer(a asked) error {
	if err := s.open(a); err != nil {
		return err
	}
	if !slices.Contains(a.ApproverGroup, a.actor) {
		return problem.New(http.StatusForbidden, "not_an_approver", "You are not one of those whose approval the transaction needs.")
	}
	for _, d := range a.said {
		switch {
		case d.UserID != a.actor:
		case d.Approved:
			return problem.New(http.StatusConflict, "already_approved", "You have approved the transaction already.")
		default:
			return problem.New(http.StatusConflict, "already_rejected", "You have rejected the transaction already.")
		}
	}
	return nil
}

// act submits what the caller says about a transaction, unless it is refused.
func (s organization) act(ctx context.Context, a asked, refusal error, p command.Payload, reason, message string) (*door.Accepted, error) {
	if err := s.Refuse(ctx, refusal); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: p,
		Request: struct {
			PendingTxID string `json:"pendingTxId"`
			Reason      string `json:"reason,omitzero"`
		}{a.PendingTxID, reason},
		Receipt: door.Receipt{Message: message, AggregateID: a.PendingTxID},
	})
}

func (s organization) approve(ctx context.Context, in *pendingInput) (*door.Accepted, error) {
	a, err := s.ask(ctx, in)
	if err != nil {
		return nil, err
	}
	refusal := s.answer(a)
	if refusal == nil {
		refusal = operating(a.org)
	}
	return s.act(ctx, a, refusal, &command.ApproveMultiSigTx{ActorID: a.actor, PendingTxID: a.PendingTxID, OrgID: a.OrgID, FromID: a.FromID, ToID: a.ToID}, "",
		"The approval is being recorded.")
}

type anyInput struct {
	PendingTxID string `path:"pendingTxId" maxLength:"200"`
}

func (s organization) approveByID(ctx context.Context, in *anyInput) (*door.Accepted, error) {
	x, err := s.findMultiSig(ctx, in.PendingTxID)
	if err != nil {
		return nil, err
	}
	return s.approve(ctx, &pendingInput{x.OrgID, x.PendingTxID})
}

type rejectInput struct {
	OrgID       string `path:"orgId" maxLength:"64"`
	PendingTxID string `path:"pendingTxId" maxLength:"200"`
	Body        struct {
		Reason string `json:"reason" minLength:"10" maxLength:"1000" doc:"Why, for the others"`
	}
}

func (s organization) reject(ctx context.Context, in *rejectInput) (*door.Accepted, error) {
	a, err := s.ask(ctx, &pendingInput{in.OrgID, in.PendingTxID})
	if err != nil {
		return nil, err
	}
	return s.act(ctx, a, s.answer(a), &command.RejectMultiSigTx{ActorID: a.actor, PendingTxID: a.PendingTxID, OrgID: a.OrgID, Reason: in.Body.Reason}, in.Body.Reason,
		"The rejection is being recorded.")
}

func (s organization) cancel(ctx context.Context, in *pendingInput) (*door.Accepted, error) {
	a, err := s.ask(ctx, in)
	if err != nil {
		return nil, err
	}
	refusal := s.open(a)
	if refusal == nil && a.InitiatorID != a.actor {
		refusal = problem.New(http.StatusForbidden, "not_the_initiator", "Only who asked for the transaction may withdraw it.")
	}
	return s.act(ctx, a, refusal, &command.CancelMultiSigTx{ActorID: a.actor, PendingTxID: a.PendingTxID, OrgID: a.OrgID}, "",
		"The transaction is being withdrawn.")
}

func (s organization) execute(ctx context.Context, in *pendingInput) (*door.Accepted, error) {
	a, err := s.ask(ctx, in)
	if err != nil {
		return nil, err
	}
	refusal := s.open(a)
	switch {
	case refusal != nil:
	case a.Approvals < a.RequiredApprovals:
		refusal = problem.New(http.StatusConflict, "approvals_missing", "The transaction does not have its approvals yet.")
	default:
		refusal = operating(a.org)
	}
	return s.act(ctx, a, refusal, &command.ExecuteMultiSigTx{ActorID: a.actor, PendingTxID: a.PendingTxID, OrgID: a.OrgID, FromID: a.FromID, ToID: a.ToID}, "",
		"The transaction is being executed.")
}
