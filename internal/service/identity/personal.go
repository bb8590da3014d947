package identity

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/internal/service/statement"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
)

// maxExport bounds each list of an export.
const maxExport = 10_000

// Export is everything that is kept about a person.
type Export struct {
	ExportedAt   door.Time               `json:"exportedAt"`
	Complete     bool                    `json:"complete" doc:"No list was cut off at 10000 entries; the rest is in their own routes"`
	Profile      Profile                 `json:"profile"`
	Evidence     []ExportedKYC           `json:"evidence" doc:"Of who you are, newest first"`
	Sessions     []door.Session          `json:"sessions"`
	Acts         []Act                   `json:"acts" doc:"What you did, from the audit trail, newest first"`
	Transactions []statement.Transaction `json:"transactions" doc:"Your statement, newest first"`
}

// ExportedKYC is one submission of evidence with what its reviewer noted.
type ExportedKYC struct {
	KYCRecord
	Notes string `json:"notes,omitzero"`
}

// Act is a record of the audit trail.
type Act struct {
	At           door.Time `json:"at"`
	Action       string    `json:"action"`
	ResourceType string    `json:"resourceType"`
	ResourceID   string    `json:"resourceId,omitzero"`
}

type exportOutput struct {
	Disposition string `header:"Content-Disposition"`
	Body        Export
}

func (s identity) export(ctx context.Context, _ *struct{}) (*exportOutput, error) {
	p, err := s.find(ctx, door.Me)
	if err != nil {
		return nil, err
	}
	out := exportOutput{Disposition: `attachment; filename="gx-export.json"`}
	b := &out.Body
	b.ExportedAt, b.Complete = door.Time{Time: s.Clock()}, true
	if b.Profile, err = s.profile(p); err != nil {
		return nil, err
	}
	if b.Evidence, err = s.evidence(ctx, p.ProfileID); err != nil {
		return nil, err
	}
	sessions, err := s.Sessions(ctx)
	if err != nil {
		return nil, err
	}
	b.Sessions = sessions.Sessions
	acts, err := audit.List(ctx, s.Pool, audit.Filter{Actor: door.Caller(ctx).String(), Limit: maxExport})
	if err != nil {
		return nil, err
	}
	b.Complete = len(acts) < maxExport
	b.Acts = make([]Act, len(acts))
	for i, a := range acts {
		b.Acts[i] = Act{door.Time{Time: a.At}, string(a.Action), a.ResourceType, a.ResourceID}
	}
	b.Transactions = []statement.Transaction{}
	if p.OnchainAt != nil {
		if err := s.exportStatement(ctx, *p.GXID, b); err != nil {
			return nil, err
		}
	}
	return &out, s.Audit(ctx, s.Pool, audit.Record{Action: "PERSON_EXPORTED", ResourceType: "person", ResourceID: p.ProfileID.String()})
}

func (s identity) exportStatement(ctx context.Context, accountID string, b *Export) error {
	for f := (readmodel.Filter{Limit: readmodel.MaxPage}); ; {
		page, err := readmodel.Statement(ctx, s.Pool, accountID, f)
		if err != nil {
			return err
		}
		lines, err := statement.Lines(ctx, s.Door, page.Entries)
		if err != nil {
			return err
		}
		b.Transactions = append(b.Transactions, lines...)
		if f.Before = page.Next; f.Before == nil {
			return nil
		}
		if len(b.Transactions) >= maxExport {
			b.Complete = false
			return nil
		}
	}
}

func (s identity) evidence(ctx context.Context, profile uuid.UUID) ([]ExportedKYC, error) {
	rows, err := s.Pool.Query(ctx, kycSelect+`, notes FROM app.kyc_records WHERE profile_id = $1 ORDER BY created_at DESC, kyc_id DESC`, profile)
	if err != nil {
		return nil, fmt.Errorf("read kyc: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e ExportedKYC, err error) {
		var notes []byte
		if e.KYCRecord, err = scanKYC(row, &notes); err != nil || notes == nil {
			return e, err
		}
		id, err := uuid.Parse(e.KYCID)
		if err != nil {
			return e, err
		}
		plain, err := s.Fields.Open(people.NotesContext(id), notes)
		e.Notes = string(plain)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read kyc: %w", err)
	}
	return append([]ExportedKYC{}, list...), nil
}

type erasureInput struct {
	Body struct {
		Password string `json:"password" maxLength:"128" doc:"Yours, once more: this can't be undone"`
	}
}

// erase forgets the caller: at once when they have no account on the ledger,
// otherwise as soon as the ledger has closed it, which it does of an empty one.
func (s identity) erase(ctx context.Context, in *erasureInput) (*door.Accepted, error) {
	who := door.Caller(ctx)
	ok, err := s.CheckPassword(ctx, door.People, who.ID, in.Body.Password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, problem.New(http.StatusUnauthorized, "INVALID_CREDENTIALS", "The password is wrong, or there were too many attempts; try again later.")
	}
	if err := s.LoggedIn(ctx, s.Pool, door.People, who.ID); err != nil {
		return nil, err
	}
	p, err := s.find(ctx, door.Me)
	if err != nil {
		return nil, err
	}
	switch {
	case p.OnchainAt != nil:
		return s.closeAndErase(ctx, p)
	case p.Status == people.PendingOnchain:
		return nil, problem.New(http.StatusConflict, "registration_under_way", "You are on the way to the ledger; ask again once you are there.")
	}
	if err := pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		if err := people.Erase(ctx, tx, p.ProfileID, s.Clock()); err != nil {
			return err
		}
		return s.Audit(ctx, tx, audit.Record{Action: "ERASURE_ASKED", ResourceType: "person", ResourceID: p.ProfileID.String()})
	}); err != nil {
		return nil, err
	}
	s.ForgetSession(who.Session)
	return &door.Accepted{Status: http.StatusAccepted, Body: door.Receipt{Status: door.Confirmed, Message: "Everything about you is erased.", AggregateID: p.ProfileID.String()}}, nil
}

func (s identity) closeAndErase(ctx context.Context, p people.Person) (*door.Accepted, error) {
	a, err := readmodel.Account(ctx, s.Pool, *p.GXID)
	if err != nil {
		return nil, err
	}
	if a.Balance > 0 {
		refusal := problem.New(http.StatusConflict, "account_not_empty", "There is money in your account: pay it out first.").WithFact("balance", a.Balance.String())
		if err := s.Refuse(ctx, refusal); err != nil {
			return nil, err
		}
	}
	principal, route, key := door.Key(ctx)
	submission := door.Submission{
		Payload: &command.SetUserStatus{UserID: *p.GXID, Status: string(account.Closed), Reason: "The person asks to be erased."},
		Request: struct{}{}, // the password is nobody's business
		Receipt: door.Receipt{Message: "Your account is being closed; then everything about you is erased. " + people.Kept, AggregateID: p.ProfileID.String()},
	}
	var stored outbox.Accepted
	var receipt door.Receipt
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE app.people SET erasure_asked_at = coalesce(erasure_asked_at, $2) WHERE profile_id = $1`, p.ProfileID, s.Clock()); err != nil {
			return fmt.Errorf("ask for erasure: %w", err)
		}
		if err := s.Audit(ctx, tx, audit.Record{Action: "ERASURE_ASKED", ResourceType: "person", ResourceID: p.ProfileID.String()}); err != nil {
			return err
		}
		stored, receipt, err = s.Enqueue(ctx, tx, principal, route, key, submission)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.Accept(ctx, stored, receipt)
}
