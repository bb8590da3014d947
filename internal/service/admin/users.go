package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
)

// User is a person as staff sees them. Contact data is masked: nothing records
// yet who looked at it.
type User struct {
	ProfileID              string        `json:"profileId" format:"uuid"`
	FirstName              string        `json:"firstName"`
	LastName               string        `json:"lastName"`
	Email                  string        `json:"email" doc:"Masked" example:"a***@example.org"`
	PhoneNum               string        `json:"phoneNum,omitzero" doc:"Masked"`
	Gender                 string        `json:"gender,omitzero"`
	DateOfBirth            string        `json:"dateOfBirth,omitzero"`
	NationalityCountryCode string        `json:"nationalityCountryCode,omitzero"`
	FabricUserID           string        `json:"fabricUserId,omitzero" doc:"GX id"`
	Status                 people.Status `json:"status"`
	IsLocked               bool          `json:"isLocked"`
	DenialReason           string        `json:"denialReason,omitzero"`
	ReviewedBy             string        `json:"reviewedBy,omitzero"`
	ReviewedAt             *door.Time    `json:"reviewedAt,omitzero"`
	OnchainRegisteredAt    *door.Time    `json:"onchainRegisteredAt,omitzero"`
	CreatedAt              door.Time     `json:"createdAt"`
	KYCVerifications       []KYC         `json:"kycVerifications" doc:"In a list the latest, else all, newest first"`
}

// KYC is one submission of evidence.
type KYC struct {
	KYCID        string     `json:"kycId" format:"uuid"`
	Status       string     `json:"status"`
	DocumentType string     `json:"documentType"`
	EvidenceHash string     `json:"evidenceHash"`
	VerifiedAt   *door.Time `json:"verifiedAt,omitzero"`
	CreatedAt    door.Time  `json:"createdAt"`
}

func (s admin) user(p people.Person, kyc []KYC) (User, error) {
	own, err := p.Open(s.Fields)
	if err != nil {
		return User{}, err
	}
	out := User{
		ProfileID: p.ProfileID.String(), FirstName: own.FirstName, LastName: own.LastName, Gender: own.Gender,
		Status: p.Status, IsLocked: p.Status == people.Frozen, DenialReason: own.DenialReason,
		ReviewedAt: door.TimeOf(p.ReviewedAt), OnchainRegisteredAt: door.TimeOf(p.OnchainAt), CreatedAt: door.Time{Time: p.CreatedAt},
		KYCVerifications: slices.Concat([]KYC{}, kyc),
	}
	for _, f := range []struct {
		to   *string
		from *string
	}{{&out.NationalityCountryCode, p.Nationality}, {&out.FabricUserID, p.GXID}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if own.Email != "" {
		out.Email = maskEmail(own.Email)
	}
	if own.Phone != "" {
		out.PhoneNum = maskPhone(own.Phone)
	}
	if own.DateOfBirth != nil {
		out.DateOfBirth = own.DateOfBirth.Format(time.DateOnly)
	}
	if p.ReviewedBy != nil {
		out.ReviewedBy = p.ReviewedBy.String()
	}
	return out, nil
}

func maskEmail(s string) string {
	name, host, _ := strings.Cut(s, "@")
	return string([]rune(name)[:min(1, len(name))]) + "***@" + host
}

func maskPhone(s string) string { return "***" + s[max(0, len(s)-3):] }

type listInput struct {
	Status string `query:"status" enum:"PENDING,REGISTERED,PENDING_ADMIN_APPROVAL,APPROVED_PENDING_ONCHAIN,DENIED,ACTIVE,FROZEN,SUSPENDED,CLOSED" doc:"PENDING is short for PENDING_ADMIN_APPROVAL"`
	Search string `query:"search" maxLength:"100" doc:"A whole e-mail address or phone number, whole words of a name, or the beginning of a GX id"`
	Page   int    `query:"page" minimum:"1" maximum:"10000" default:"1"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

type listOutput struct {
	Body struct {
		Users      []User `json:"users"`
		Total      int    `json:"total"`
		Page       int    `json:"page"`
		Limit      int    `json:"limit"`
		TotalPages int    `json:"totalPages"`
	}
}

func (s admin) list(ctx context.Context, in *listInput) (*listOutput, error) {
	status := in.Status
	if status == "PENDING" {
		status = string(people.PendingApproval)
	}
	where := ` WHERE ($1 = '' OR ` + people.EffectiveStatus + ` = $1)
		AND ($2 = '' OR p.email_hash = $3 OR p.phone_hash = $4 OR (p.name_hashes @> $5 AND $5 <> '{}') OR starts_with(p.gx_id, upper($2)))`
	var rules people.Rules // what isn't an address or a number finds none
	search := strings.TrimSpace(in.Search)
	args := []any{status, search, people.EmailHash(s.Index, rules.Email("", search)), people.PhoneHash(s.Index, text(rules.Phone("", search))),
		people.NameHashes(s.Index, search)}
	var out listOutput
	b := &out.Body
	if err := s.Pool.QueryRow(ctx, `SELECT count(*)`+people.From+where, args...).Scan(&b.Total); err != nil {
		return nil, fmt.Errorf("count people: %w", err)
	}
	list, err := s.people(ctx, where+` ORDER BY p.created_at DESC, p.profile_id DESC LIMIT $6 OFFSET $7`, append(args, in.Limit, (in.Page-1)*in.Limit)...)
	if err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, len(list))
	for i, p := range list {
		ids[i] = p.ProfileID
	}
	kyc, err := s.kyc(ctx, ids)
	if err != nil {
		return nil, err
	}
	b.Users = make([]User, len(list))
	for i, p := range list {
		latest := kyc[p.ProfileID]
		if b.Users[i], err = s.user(p, latest[:min(1, len(latest))]); err != nil {
			return nil, err
		}
	}
	b.Page, b.Limit, b.TotalPages = in.Page, in.Limit, (b.Total+in.Limit-1)/in.Limit
	return &out, nil
}

// kyc returns the submissions of people, newest first.
func (s admin) kyc(ctx context.Context, profiles []uuid.UUID) (map[uuid.UUID][]KYC, error) {
	rows, err := s.Pool.Query(ctx, `SELECT profile_id, kyc_id::text, status, document_type, evidence_hash, verified_at, created_at
		FROM app.kyc_records WHERE profile_id = ANY($1) ORDER BY created_at DESC, kyc_id DESC`, profiles)
	if err != nil {
		return nil, fmt.Errorf("read kyc: %w", err)
	}
	out := map[uuid.UUID][]KYC{}
	var profile uuid.UUID
	var k KYC
	var verified *time.Time
	if _, err := pgx.ForEachRow(rows, []any{&profile, &k.KYCID, &k.Status, &k.DocumentType, &k.EvidenceHash, &verified, &k.CreatedAt.Time}, func() error {
		k.VerifiedAt = door.TimeOf(verified)
		out[profile] = append(out[profile], k)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read kyc: %w", err)
	}
	return out, nil
}

type userInput struct {
	UserID string `path:"userId" doc:"Profile id or GX id"`
}

type userOutput struct{ Body User }

func (s admin) find(ctx context.Context, id string) (people.Person, error) {
	p, err := people.Find(ctx, s.Pool, id)
	if errors.Is(err, people.ErrNotFound) {
		return p, problem.New(http.StatusNotFound, "user_not_found", "There is no such person.")
	}
	return p, err
}

func (s admin) view(ctx context.Context, in *userInput) (*userOutput, error) {
	p, err := s.find(ctx, in.UserID)
	if err != nil {
		return nil, err
	}
	kyc, err := s.kyc(ctx, []uuid.UUID{p.ProfileID})
	if err != nil {
		return nil, err
	}
	u, err := s.user(p, kyc[p.ProfileID])
	return &userOutput{u}, err
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
