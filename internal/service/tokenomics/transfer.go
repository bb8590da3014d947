package tokenomics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/coalesce"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/internal/service/statement"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/qirat"
)

// payment is the body of a transfer. toUserId, fromUserId and remark are the
// names of an earlier API.
type payment struct {
	ToID       string       `json:"toID,omitzero" maxLength:"64" doc:"GX id, profile id, or the id of an organization or treasury" example:"LK FF3 ABL912 0WLUY 6025"`
	ToUserID   string       `json:"toUserId,omitzero" maxLength:"64" doc:"Alias of toID"`
	FromUserID string       `json:"fromUserId,omitzero" maxLength:"64" doc:"When given, your own profile id"`
	Amount     qirat.Amount `json:"amount" pattern:"^[1-9][0-9]{0,18}$" patternDescription:"decimal digits: a whole number of Qirat above 0" example:"1500000"`
	Reason     string       `json:"reason,omitzero" maxLength:"140" doc:"Shown to both sides" example:"lunch"`
	Remark     string       `json:"remark,omitzero" maxLength:"140" doc:"Alias of reason"`
}

type transferInput struct{ Body payment }

// order is a payment with its aliases resolved: what must not differ between
// requests with one key.
type order struct {
	ToID   string       `json:"toID"`
	Amount qirat.Amount `json:"amount"`
	Reason string       `json:"reason"`
}

func (b payment) order(ctx context.Context) (order, error) {
	o := order{ToID: b.ToID, Amount: b.Amount, Reason: b.Reason}
	switch {
	case b.ToID == "" && b.ToUserID == "":
		return o, problem.Invalid(http.StatusBadRequest, problem.Field{Field: "toID", Code: "to_id_required", Message: "is required"})
	case b.ToID != "" && b.ToUserID != "":
		return o, problem.BadField("toUserId", "must not be given together with toID")
	case b.Reason != "" && b.Remark != "":
		return o, problem.BadField("remark", "must not be given together with reason")
	case b.FromUserID != "" && b.FromUserID != door.Caller(ctx).ID.String():
		return o, problem.Invalid(http.StatusForbidden, problem.Field{Field: "fromUserId", Code: "from_user_id_forbidden", Message: "must be your own profile id"})
	}
	if b.ToUserID != "" {
		o.ToID = b.ToUserID
	}
	o.ToID = gxid.Canonical(o.ToID)
	field := "reason"
	if b.Remark != "" {
		field, o.Reason = "remark", b.Remark
	}
	if len(o.Reason) > command.MaxRemarkBytes || strings.ContainsFunc(o.Reason, unicode.IsControl) {
		return o, problem.BadField(field, "must be one line of at most 256 bytes")
	}
	return o, nil
}

// parties is all that a payment must know, read in one statement.
type parties struct {
	known   bool // the key was used before
	paused  bool
	status  string // of the sender's profile
	sender  party
	to      party
	pending qirat.Amount
}

type party struct {
	id      string // account; empty when there is none
	kind    account.Kind
	country string
	status  string
	balance qirat.Amount
}

func (p party) fee() fee.Party { return fee.Party{ID: p.id, Kind: p.kind, Country: p.country} }

// partiesSQL reads what many payments must know. A payee is named by account or
// by profile. The key is asked for by a scalar, which the planner can't turn into
// a hash of all commands, as it can EXISTS.
var partiesSQL = `
	SELECT v.n, (SELECT true FROM app.known_keys k WHERE k.principal = v.principal AND k.route = v.route AND k.idempotency_key = v.key) IS NOT NULL,
	       s.paused, p.status,
	       coalesce(a.account_id, ''), coalesce(a.kind, ''), coalesce(a.country, ''), coalesce(a.status, ''), coalesce(a.balance, 0),
	       coalesce(t.account_id, ''), coalesce(t.kind, ''), coalesce(t.country, ''), coalesce(t.status, ''),
	       ` + people.PendingOut(20) + `
	FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY
	     AS v (payer, payee, payee_profile, principal, route, key, n)
	JOIN app.people p ON p.profile_id = v.payer CROSS JOIN read.system_status s
	LEFT JOIN read.accounts a ON a.account_id = p.gx_id
	LEFT JOIN read.accounts t ON t.account_id = CASE WHEN v.payee_profile IS NULL THEN v.payee
	     ELSE (SELECT q.gx_id FROM app.people q WHERE q.profile_id = v.payee_profile) END`

// between is the question who pays whom.
type between struct {
	payer                 uuid.UUID
	payee                 string
	principal, route, key string
}

// Payments that arrive at the same time are looked up together.
var lookups = coalesce.Options{Max: 64, Timeout: 10 * time.Second}

func readParties(ctx context.Context, db postgres.DB, questions []between) ([]parties, error) {
	var payers []uuid.UUID
	var profiles []*uuid.UUID
	var payees, principals, routes, keys []string
	for _, q := range questions {
		var profile *uuid.UUID
		if id, err := uuid.Parse(q.payee); err == nil {
			profile = &id
		}
		payers, payees, profiles = append(payers, q.payer), append(payees, q.payee), append(profiles, profile)
		principals, routes, keys = append(principals, q.principal), append(routes, q.route), append(keys, q.key)
	}
	rows, err := db.Query(ctx, partiesSQL, payers, payees, profiles, principals, routes, keys)
	if err != nil {
		return nil, fmt.Errorf("read parties of payments: %w", err)
	}
	out := make([]parties, len(questions))
	var n int
	var p parties
	if _, err := pgx.ForEachRow(rows, []any{&n, &p.known, &p.paused, &p.status,
		&p.sender.id, &p.sender.kind, &p.sender.country, &p.sender.status, &p.sender.balance,
		&p.to.id, &p.to.kind, &p.to.country, &p.to.status, &p.pending}, func() error {
		out[n-1] = p
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read parties of payments: %w", err)
	}
	return out, nil
}

func (s tokenomics) parties(ctx context.Context, to string) (parties, error) {
	q := between{payer: door.Caller(ctx).ID, payee: to}
	q.principal, q.route, q.key = door.Key(ctx)
	p, err := s.lookup.Do(ctx, q)
	if err == nil && p.status == "" {
		err = problem.New(http.StatusNotFound, "not_found", "Your profile does not exist.")
	}
	return p, err
}

// check refuses what the ledger would refuse, as far as can be known here.
func (p parties) check() error {
	switch {
	case p.paused:
		return problem.Unavailable("system_paused", "Payments are suspended at the moment.", nil)
	case p.sender.id == "":
		return problem.New(http.StatusUnprocessableEntity, "account_not_active", "You have no account on the ledger yet.").WithFact("accountStatus", p.status)
	case p.sender.status == readmodel.StatusFrozen || people.Status(p.status) == people.Frozen:
		return problem.New(http.StatusLocked, "account_frozen", "Your account is frozen.")
	case p.sender.status != readmodel.StatusActive:
		return problem.New(http.StatusUnprocessableEntity, "account_not_active", "Your account is not active.")
	case p.to.id == "":
		return problem.New(http.StatusNotFound, "recipient_not_found", "The payee has no account on the ledger.")
	case p.to.id == p.sender.id:
		return problem.BadField("toID", "must not be your own account")
	case p.to.status != readmodel.StatusActive && account.Kind(p.to.kind) != account.Treasury:
		return problem.New(http.StatusUnprocessableEntity, "recipient_not_active", "The payee cannot receive payments at the moment.")
	}
	return nil
}

// price returns the fee and what leaves the sender's account.
func (s tokenomics) price(ctx context.Context, p parties, amount qirat.Amount) (fee.Quote, qirat.Amount, error) {
	schedule, err := s.rates.Schedule(ctx)
	if err != nil {
		return fee.Quote{}, 0, err
	}
	q, err := schedule.Quote(p.sender.fee(), p.to.fee(), amount, "")
	if errors.Is(err, fee.ErrAmount) {
		return q, 0, problem.BadField("amount", err.Error())
	}
	if err != nil {
		return q, 0, err
	}
	total, err := amount.Add(q.Fee)
	if err != nil {
		return q, 0, problem.BadField("amount", "with its fee is above the maximum supply")
	}
	return q, total, nil
}

func (s tokenomics) transfer(ctx context.Context, in *transferInput) (*door.Accepted, error) {
	o, err := in.Body.order(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkPayee(o.ToID); err != nil {
		return nil, err
	}
	p, err := s.parties(ctx, o.ToID)
	if err != nil {
		return nil, err
	}
	receipt := door.Receipt{Message: "Payment accepted.", AggregateID: door.Caller(ctx).ID.String()}
	// A repetition gets its first answer, whatever has become of the account since.
	if !p.known {
		if err := p.check(); err != nil {
			return nil, err
		}
		q, total, err := s.price(ctx, p, o.Amount)
		if err != nil {
			return nil, err
		}
		available := p.sender.balance - min(p.pending, p.sender.balance)
		if available < total {
			return nil, problem.New(http.StatusUnprocessableEntity, "insufficient_funds", "The available balance does not cover the payment and its fee.").
				WithFact("available", available.String()).WithFact("required", total.String())
		}
		receipt.Fee, receipt.FeeGx, receipt.Total, receipt.TotalGx = q.Fee.String(), q.Fee.GX(), total.String(), total.GX()
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.TransferTokens{FromID: p.sender.id, ToID: p.to.id, Amount: o.Amount, Remark: o.Reason},
		Request: o, Receipt: receipt,
	})
}

// checkPayee checks the form of a payee's id, so that a typing error is told
// apart from somebody who is not there.
func checkPayee(id string) error {
	if _, err := uuid.Parse(id); err == nil {
		return nil
	}
	err := (&command.UnfreezeWallet{AccountID: id}).Validate()
	if fields := command.Fields(err); len(fields) > 0 {
		return problem.BadField("toID", fields[0].Message)
	}
	return err
}

type transferQuoteInput struct {
	Body struct {
		ToID   string       `json:"toID" maxLength:"64"`
		Amount qirat.Amount `json:"amount" pattern:"^[1-9][0-9]{0,18}$" patternDescription:"decimal digits: a whole number of Qirat above 0" example:"1500000"`
	}
}

// Quote is what a payment would cost now.
type Quote struct {
	Amount    string    `json:"amount"`
	AmountGx  string    `json:"amountGx"`
	Fee       string    `json:"fee"`
	FeeGx     string    `json:"feeGx"`
	Total     string    `json:"total"`
	TotalGx   string    `json:"totalGx"`
	Bps       uint64    `json:"bps"`
	Type      string    `json:"type"`
	Scope     string    `json:"scope"`
	Recipient Recipient `json:"recipient"`
}

// Recipient lets a payer see that the id is the right one.
type Recipient struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName" doc:"First name and initial, or the name of the institution" example:"Ada L."`
}

type transferQuoteOutput struct{ Body Quote }

func (s tokenomics) quote(ctx context.Context, in *transferQuoteInput) (*transferQuoteOutput, error) {
	to := gxid.Canonical(in.Body.ToID)
	if err := checkPayee(to); err != nil {
		return nil, err
	}
	p, err := s.parties(ctx, to)
	if err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	amount := in.Body.Amount
	q, total, err := s.price(ctx, p, amount)
	if err != nil {
		return nil, err
	}
	names, err := statement.Names(ctx, s.Door, []string{p.to.id})
	if err != nil {
		return nil, err
	}
	return &transferQuoteOutput{Quote{
		Amount: amount.String(), AmountGx: amount.GX(), Fee: q.Fee.String(), FeeGx: q.Fee.GX(), Total: total.String(), TotalGx: total.GX(),
		Bps: q.Bps, Type: string(q.Type), Scope: string(q.Scope), Recipient: Recipient{p.to.id, names[p.to.id]},
	}}, nil
}
