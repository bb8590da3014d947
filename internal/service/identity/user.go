package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
)

// Profile is a person as they see themselves (api.md C.1).
type Profile struct {
	ProfileID              string        `json:"profileId" format:"uuid"`
	Email                  string        `json:"email"`
	FirstName              string        `json:"firstName"`
	LastName               string        `json:"lastName"`
	PhoneNum               string        `json:"phoneNum,omitzero"`
	Status                 people.Status `json:"status" example:"ACTIVE"`
	NationalityCountryCode string        `json:"nationalityCountryCode,omitzero"`
	NationalityCountryName string        `json:"nationalityCountryName,omitzero"`
	DateOfBirth            string        `json:"dateOfBirth,omitzero" example:"1990-12-10"`
	Gender                 string        `json:"gender,omitzero"`
	IsLocked               bool          `json:"isLocked" doc:"The account is frozen"`
	DenialReason           string        `json:"denialReason,omitzero"`
	ReviewedAt             *door.Time    `json:"reviewedAt,omitzero"`
	FabricUserID           string        `json:"fabricUserId,omitzero" doc:"GX id, once approved"`
	OnchainStatus          string        `json:"onchainStatus" doc:"NOT_REGISTERED, PENDING or ACTIVE"`
	OnchainRegisteredAt    *door.Time    `json:"onchainRegisteredAt,omitzero"`
	CreatedAt              door.Time     `json:"createdAt"`
	UpdatedAt              door.Time     `json:"updatedAt"`
}

func (s identity) profile(p people.Person) (Profile, error) {
	own, err := p.Open(s.Fields)
	if err != nil {
		return Profile{}, err
	}
	out := Profile{
		ProfileID: p.ProfileID.String(), Email: own.Email, FirstName: own.FirstName, LastName: own.LastName, PhoneNum: own.Phone,
		Status: p.Status, NationalityCountryCode: text(p.Nationality), Gender: own.Gender, IsLocked: p.Status == people.Frozen,
		DenialReason: own.DenialReason, ReviewedAt: door.TimeOf(p.ReviewedAt), FabricUserID: text(p.GXID),
		OnchainStatus: "NOT_REGISTERED", OnchainRegisteredAt: door.TimeOf(p.OnchainAt),
		CreatedAt: door.Time{Time: p.CreatedAt}, UpdatedAt: door.Time{Time: p.UpdatedAt},
	}
	out.NationalityCountryName = people.Countries[out.NationalityCountryCode].Name
	if own.DateOfBirth != nil {
		out.DateOfBirth = own.DateOfBirth.Format(time.DateOnly)
	}
	switch {
	case p.OnchainAt != nil:
		out.OnchainStatus = "ACTIVE"
	case p.Status == people.PendingOnchain:
		out.OnchainStatus = "PENDING"
	}
	return out, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

type userInput struct {
	ProfileID string `path:"profileId" doc:"Profile id, GX id, or me"`
}

type userOutput struct {
	ETag string `header:"ETag" doc:"For If-Match, when you change the profile"`
	Body struct {
		User Profile `json:"user"`
	}
}

// tag names the state of a profile: what it has from the ledger shows in its status.
func tag(p people.Person) string { return fmt.Sprintf(`"%d-%s"`, p.Version, p.Status) }

func (s identity) me(ctx context.Context, _ *struct{}) (*userOutput, error) {
	return s.user(ctx, &userInput{door.Me})
}

func (s identity) user(ctx context.Context, in *userInput) (*userOutput, error) {
	p, err := s.find(ctx, in.ProfileID)
	if err != nil {
		return nil, err
	}
	out := userOutput{ETag: tag(p)}
	out.Body.User, err = s.profile(p)
	return &out, err
}

// find returns the person that an authorised path names.
func (s identity) find(ctx context.Context, id string) (people.Person, error) {
	if id == door.Me {
		id = door.Caller(ctx).ID.String()
	}
	p, err := people.Find(ctx, s.Pool, id)
	if errors.Is(err, people.ErrNotFound) {
		return p, problem.New(http.StatusNotFound, "not_found", "There is no such person.")
	}
	return p, err
}

// KYCRecord is one submission of evidence (api.md C.3).
type KYCRecord struct {
	KYCID        string     `json:"kycId" format:"uuid"`
	ProfileID    string     `json:"profileId" format:"uuid"`
	Status       string     `json:"status" enum:"PENDING,APPROVED,REJECTED"`
	DocumentType string     `json:"documentType"`
	EvidenceHash string     `json:"evidenceHash"`
	EvidenceSize int64      `json:"evidenceSize"`
	EvidenceMime string     `json:"evidenceMime"`
	VerifiedAt   *door.Time `json:"verifiedAt,omitzero"`
	CreatedAt    door.Time  `json:"createdAt"`
	UpdatedAt    door.Time  `json:"updatedAt"`
}

type kycInput struct {
	ProfileID string `path:"profileId" doc:"Profile id, GX id, or me"`
	Body      struct {
		EvidenceHash   string `json:"evidenceHash" pattern:"^[0-9a-f]{64}$" patternDescription:"64 lower-case hex digits (SHA-256)"`
		EvidenceSize   int64  `json:"evidenceSize" minimum:"1" maximum:"10485760" doc:"Bytes"`
		EvidenceMime   string `json:"evidenceMime" enum:"image/jpeg,image/png,application/pdf"`
		DocumentType   string `json:"documentType" enum:"NATIONAL_ID"`
		DocumentNumber string `json:"documentNumber" doc:"Number of the national id; only a keyed hash of it is kept" maxLength:"64"`
	}
}

type kycOutput struct {
	Body struct {
		KYCRecord KYCRecord `json:"kycRecord"`
	}
}

// retryDenied is how long a denied person waits before they may try again.
const retryDenied = 24 * time.Hour

func (s identity) submitKYC(ctx context.Context, in *kycInput) (*kycOutput, error) {
	var rules people.Rules
	number := rules.DocumentNumber("documentNumber", in.Body.DocumentNumber)
	if rules.Bad != nil {
		return nil, problem.Invalid(http.StatusBadRequest, rules.Bad...)
	}
	p, err := s.find(ctx, in.ProfileID)
	if err != nil {
		return nil, err
	}
	now := s.Clock()
	switch {
	case p.Status == people.Denied && p.ReviewedAt != nil && now.Before(p.ReviewedAt.Add(retryDenied)):
		return nil, problem.New(http.StatusConflict, "kyc_too_early", "A denied application may be repeated after 24 hours.")
	case p.Status != people.Registered && p.Status != people.Denied:
		return nil, problem.New(http.StatusConflict, "kyc_not_possible", "Evidence cannot be submitted in status "+string(p.Status)+".")
	case p.Nationality == nil || p.DateOfBirth == nil || p.Gender == nil:
		return nil, problem.New(http.StatusUnprocessableEntity, "profile_incomplete", "Country, date of birth and gender are needed first.")
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("kyc id: %w", err)
	}
	b := &in.Body
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE app.people SET status = $2, biometric_hash = $3, denial_reason = NULL, updated_at = $4, version = version + 1
			WHERE profile_id = $1 AND status IN ('REGISTERED', 'DENIED')`,
			p.ProfileID, people.PendingApproval, people.DocumentHash(s.Pepper, *p.Nationality, number), now)
		if err != nil {
			return fmt.Errorf("submit kyc: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return problem.New(http.StatusConflict, "kyc_pending", "Evidence was submitted already.")
		}
		_, err = tx.Exec(ctx, `INSERT INTO app.kyc_records
			(kyc_id, profile_id, status, evidence_hash, evidence_size, evidence_mime, document_type, created_at, updated_at)
			VALUES ($1, $2, 'PENDING', $3, $4, $5, $6, $7, $7)`,
			id, p.ProfileID, b.EvidenceHash, b.EvidenceSize, b.EvidenceMime, b.DocumentType, now)
		if err != nil {
			return fmt.Errorf("store kyc: %w", err)
		}
		return s.Audit(ctx, tx, audit.Record{Action: "KYC_SUBMITTED", ResourceType: "person", ResourceID: p.ProfileID.String()})
	})
	if violated(err) == "people_biometric_hash_key" {
		return nil, taken("documentNumber", "document_number_taken")
	}
	if err != nil {
		return nil, err
	}
	var out kycOutput
	out.Body.KYCRecord = KYCRecord{
		KYCID: id.String(), ProfileID: p.ProfileID.String(), Status: "PENDING", DocumentType: b.DocumentType,
		EvidenceHash: b.EvidenceHash, EvidenceSize: b.EvidenceSize, EvidenceMime: b.EvidenceMime,
		CreatedAt: door.Time{Time: now}, UpdatedAt: door.Time{Time: now},
	}
	return &out, nil
}

// LatestKYC is a KYCRecord where there may be none.
type LatestKYC struct {
	_ struct{} `nullable:"true"`
	KYCRecord
}

type kycStatusOutput struct {
	Body struct {
		KYCStatus *LatestKYC `json:"kycStatus" doc:"null before the first submission"`
	}
}

func (s identity) kyc(ctx context.Context, in *userInput) (*kycStatusOutput, error) {
	p, err := s.find(ctx, in.ProfileID)
	if err != nil {
		return nil, err
	}
	r, err := scanKYC(s.Pool.QueryRow(ctx, kycSelect+` FROM app.kyc_records WHERE profile_id = $1 ORDER BY created_at DESC, kyc_id DESC LIMIT 1`, p.ProfileID))
	var out kycStatusOutput
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return &out, nil
	case err != nil:
		return nil, fmt.Errorf("read kyc: %w", err)
	}
	out.Body.KYCStatus = &LatestKYC{KYCRecord: r}
	return &out, nil
}

const kycSelect = `SELECT kyc_id::text, profile_id::text, status, document_type, evidence_hash, evidence_size, evidence_mime, verified_at, created_at, updated_at`

// scanKYC reads the columns of kycSelect and those that follow.
func scanKYC(row pgx.Row, more ...any) (r KYCRecord, err error) {
	var verified *time.Time
	if err := row.Scan(append([]any{&r.KYCID, &r.ProfileID, &r.Status, &r.DocumentType, &r.EvidenceHash, &r.EvidenceSize, &r.EvidenceMime,
		&verified, &r.CreatedAt.Time, &r.UpdatedAt.Time}, more...)...); err != nil {
		return r, err
	}
	r.VerifiedAt = door.TimeOf(verified)
	return r, nil
}
