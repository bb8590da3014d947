package identity

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/internal/service/statement"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/status"
	"gxcoin.money/gx/protocol/trust"
)

// registerRelationships adds the routes of who is what to whom.
func registerRelationships(d *door.Door) {
	s := identity{d}
	customer := door.Policy{Customer: true}
	end := door.Policy{Object: door.Relationship}
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/relationships", ID: "listRelationships", Summary: "Your relationships, newest first",
		Policy: customer, Cache: door.CachePrivate}, s.relationships)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/relationships", ID: "requestRelationship", Summary: "Say what somebody is to you; they have to agree",
		Policy: customer, Limit: door.ClassInvite, Idempotency: door.KeyRequired, Status: http.StatusAccepted}, s.requestRelationship)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/relationships/trust-score", ID: "getTrustScore", Summary: "Your trust score with its parts",
		Policy: customer, Cache: door.CachePrivate}, s.trustScore)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/relationships/{relationshipId}", ID: "getRelationship", Summary: "A relationship of yours",
		Policy: end, Cache: door.CachePrivate}, s.relationship)
	for _, a := range []struct {
		path, id, summary string
		decide            func(context.Context, *relationshipDecisionInput) (*door.Accepted, error)
	}{
		{"confirm", "confirmRelationship", "Agree to what somebody says they are to you", s.confirmRelationship},
		{"reject", "rejectRelationship", "Disagree; it cannot be said again for 7 days", s.rejectRelationship},
		{"end", "endRelationship", "End a relationship that both have agreed to", s.endRelationship},
	} {
		door.Register(d, door.Route{Method: http.MethodPost, Path: "/relationships/{relationshipId}/" + a.path, ID: a.id, Summary: a.summary,
			Policy: end, Idempotency: door.KeyRequired, Status: http.StatusAccepted}, a.decide)
	}
}

// Relationship is what somebody is to the caller.
type Relationship struct {
	RelationshipID string              `json:"relationshipId"`
	RelationType   trust.Label         `json:"relationType" enum:"FATHER,MOTHER,SPOUSE,CHILD,SIBLING,BUSINESS_PARTNER,DIRECTOR,WORKPLACE_ASSOCIATE,FRIEND" doc:"What the other person is to you"`
	Status         status.Relationship `json:"status" enum:"PENDING_CONFIRMATION,CONFIRMED,REJECTED,ENDED"`
	AwaitsYou      bool                `json:"awaitsYou" doc:"You have not said yet whether it is so"`
	RequestedByYou bool                `json:"requestedByYou"`
	RelatedProfile Acquaintance        `json:"relatedProfile" doc:"The other person"`
	Reason         string              `json:"reason,omitzero" doc:"Why it was rejected or ended"`
	CreatedAt      door.Time           `json:"createdAt"`
	ConfirmedAt    *door.Time          `json:"confirmedAt,omitzero"`
	ClosedAt       *door.Time          `json:"closedAt,omitzero" doc:"Rejected or ended"`
}

// Acquaintance is somebody as others may see them.
type Acquaintance struct {
	FabricUserID string `json:"fabricUserId" doc:"GX id"`
	DisplayName  string `json:"displayName" example:"Ada L."`
}

// seen returns relationships as one of their ends sees them.
func (s identity) seen(ctx context.Context, by string, list ...readmodel.RelationshipState) ([]Relationship, error) {
	others := make([]string, len(list))
	for i, r := range list {
		if others[i] = r.ObjectID; r.ObjectID == by {
			others[i] = r.SubjectID
		}
	}
	names, err := statement.Names(ctx, s.Door, others)
	if err != nil {
		return nil, err
	}
	out := make([]Relationship, len(list))
	for i, r := range list {
		out[i] = Relationship{
			RelationshipID: r.RelationshipID, RelationType: trust.Relationship{Subject: r.SubjectID, Relation: r.Relation, Object: r.ObjectID}.Seen(by),
			Status: r.Status, AwaitsYou: r.Status == status.RelationshipPending && r.ObjectID == by, RequestedByYou: r.SubjectID == by,
			RelatedProfile: Acquaintance{others[i], names[others[i]]}, Reason: r.Reason, CreatedAt: door.Time{Time: r.RequestedAt},
			ConfirmedAt: door.TimeOf(r.ConfirmedAt), ClosedAt: door.TimeOf(r.ClosedAt),
		}
	}
	return out, nil
}

type relationshipsInput struct {
	door.Paging
	Status status.Relationship `query:"status" enum:"PENDING_CONFIRMATION,CONFIRMED,REJECTED,ENDED"`
}

type relationshipsOutput struct {
	Body struct {
		Relationships  []Relationship `json:"relationships"`
		PendingInvites []Relationship `json:"pendingInvites" doc:"What waits for your answer: the latest 100"`
		TrustScore     int            `json:"trustScore"`
		NextCursor     string         `json:"nextCursor,omitzero"`
		HasMore        bool           `json:"hasMore"`
	}
}

func (s identity) relationships(ctx context.Context, in *relationshipsInput) (*relationshipsOutput, error) {
	w, err := in.Window()
	if err != nil {
		return nil, err
	}
	var out relationshipsOutput
	b := &out.Body
	b.Relationships, b.PendingInvites = []Relationship{}, []Relationship{}
	me, score, err := s.onLedger(ctx)
	if err != nil || me == "" {
		return &out, err
	}
	b.TrustScore = score.Score.Total
	var only []status.Relationship
	if in.Status != "" {
		only = append(only, in.Status)
	}
	all, err := readmodel.Relationships(ctx, s.Pool, me, only, w)
	if err != nil {
		return nil, err
	}
	invites, err := readmodel.Invitations(ctx, s.Pool, me, readmodel.Window{Limit: readmodel.MaxPage})
	if err != nil {
		return nil, err
	}
	if b.Relationships, err = s.seen(ctx, me, all.Items...); err != nil {
		return nil, err
	}
	if all.Next != nil {
		b.HasMore, b.NextCursor = true, all.Next.String()
	}
	b.PendingInvites, err = s.seen(ctx, me, invites.Items...)
	return &out, err
}

// onLedger returns the GX id and the trust score of the caller, nothing before
// they are on the ledger.
func (s identity) onLedger(ctx context.Context) (string, readmodel.TrustState, error) {
	id, err := people.AccountID(ctx, s.Pool, door.Caller(ctx).ID.String())
	var t readmodel.TrustState
	if err == nil {
		t, err = readmodel.Trust(ctx, s.Pool, id)
	}
	if errors.Is(err, people.ErrNotFound) || errors.Is(err, readmodel.ErrNotFound) {
		return "", readmodel.TrustState{}, nil
	}
	return id, t, err
}

type trustScoreOutput struct {
	Body struct {
		FamilyScore      int        `json:"familyScore" doc:"0 to 80"`
		BusinessScore    int        `json:"businessScore" doc:"0 to 10"`
		FriendsScore     int        `json:"friendsScore" doc:"0 to 10"`
		LoansScore       int        `json:"loansScore" doc:"What loans have added or taken"`
		TotalScore       int        `json:"totalScore" doc:"0 to 100, with the 10 that everybody has"`
		LastCalculatedAt *door.Time `json:"lastCalculatedAt,omitzero"`
	}
}

func (s identity) trustScore(ctx context.Context, _ *struct{}) (*trustScoreOutput, error) {
	_, t, err := s.onLedger(ctx)
	var out trustScoreOutput
	b := &out.Body
	b.FamilyScore, b.BusinessScore, b.FriendsScore, b.LoansScore, b.TotalScore = t.Score.Family, t.Score.Business, t.Score.Friends, t.Score.Loans, t.Score.Total
	b.LastCalculatedAt = door.TimeOf(t.UpdatedAt)
	return &out, err
}

type relationshipInput struct {
	RelationshipID string `path:"relationshipId" maxLength:"100"`
}

type relationshipOutput struct {
	Body struct {
		Relationship Relationship `json:"relationship"`
	}
}

func (s identity) relationship(ctx context.Context, in *relationshipInput) (*relationshipOutput, error) {
	me, _, err := s.onLedger(ctx)
	if err != nil {
		return nil, err
	}
	r, err := readmodel.Relationship(ctx, s.Pool, in.RelationshipID)
	if err != nil {
		return nil, err
	}
	seen, err := s.seen(ctx, me, r)
	if err != nil {
		return nil, err
	}
	var out relationshipOutput
	out.Body.Relationship = seen[0]
	return &out, nil
}

type relationshipClaimInput struct {
	Body struct {
		ToID         string      `json:"toID" maxLength:"64" doc:"GX id or profile id of the other person"`
		RelationType trust.Label `json:"relationType" enum:"FATHER,MOTHER,SPOUSE,CHILD,SIBLING,BUSINESS_PARTNER,DIRECTOR,WORKPLACE_ASSOCIATE,FRIEND" doc:"What they are to you"`
	}
}

func (s identity) requestRelationship(ctx context.Context, in *relationshipClaimInput) (*door.Accepted, error) {
	me, err := s.Actor(ctx)
	if err != nil {
		return nil, err
	}
	other, err := s.somebody(ctx, "toID", in.Body.ToID)
	if err != nil {
		return nil, err
	}
	own, err := gxid.Parse(me)
	if err != nil {
		return nil, err
	}
	relation, _ := in.Body.RelationType.Relation(own.Gender) // one of the enumeration
	claim := trust.Relationship{Subject: me, Relation: relation, Object: other}
	if err := s.claimable(ctx, claim); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.RequestRelationship{ActorID: me, ObjectID: other, Relation: relation},
		Request: map[string]string{"toID": other, "relationType": string(in.Body.RelationType)},
		Receipt: door.Receipt{Message: "The other person is being asked.", AggregateID: claim.ID()},
	})
}

// somebody returns the GX id of another person, who is active on the ledger.
func (s identity) somebody(ctx context.Context, field, id string) (string, error) {
	id, err := people.AccountID(ctx, s.Pool, id)
	var a readmodel.AccountState
	if err == nil {
		a, err = readmodel.Account(ctx, s.Pool, id)
	}
	switch {
	case errors.Is(err, people.ErrNotFound), errors.Is(err, readmodel.ErrNotFound), err == nil && a.Kind != account.Individual:
		return "", problem.Invalid(http.StatusNotFound, problem.Field{Field: field, Code: "person_not_found", Message: "is nobody on the ledger"})
	case err == nil && a.Status != readmodel.StatusActive:
		err = s.Refuse(ctx, problem.Invalid(http.StatusUnprocessableEntity, problem.Field{Field: field, Code: "person_not_active", Message: "is not active at the moment"}))
	}
	return id, err
}

// claimable refuses a claim that the ledger would refuse.
func (s identity) claimable(ctx context.Context, claim trust.Relationship) error {
	if claim.Subject == claim.Object {
		return problem.BadField("toID", "must not be yourself")
	}
	claims := []trust.Relationship{claim}
	if claim.Relation.Symmetric() {
		claims = append(claims, claim.Mirror())
	}
	for i, c := range claims {
		r, err := readmodel.Relationship(ctx, s.Pool, c.ID())
		if errors.Is(err, readmodel.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		var refusal error
		switch r.Status {
		case status.RelationshipPending, status.RelationshipConfirmed:
			refusal = problem.New(http.StatusConflict, "relationship_exists", "This is "+string(r.Status)+" already.").WithFact("relationshipId", r.RelationshipID)
		case status.RelationshipRejected:
			if again := r.ClosedAt.Add(trust.Retry); i == 0 && s.Clock().Before(again) {
				refusal = problem.New(http.StatusConflict, "relationship_rejected", "This was rejected a short time ago.").WithFact("possibleFrom", again.Format(time.RFC3339))
			}
		}
		if err := s.Refuse(ctx, refusal); err != nil {
			return err
		}
	}
	return nil
}

type relationshipDecisionInput struct {
	RelationshipID string `path:"relationshipId" maxLength:"100"`
	Body           *struct {
		Reason string `json:"reason,omitzero" maxLength:"500" doc:"For the other person; ignored when you agree"`
	}
}

func (in *relationshipDecisionInput) reason(otherwise string) string {
	if in.Body == nil || in.Body.Reason == "" {
		return otherwise
	}
	return in.Body.Reason
}

func (s identity) confirmRelationship(ctx context.Context, in *relationshipDecisionInput) (*door.Accepted, error) {
	me, err := s.answerable(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.decided(ctx, in, "", &command.ConfirmRelationship{ActorID: me, RelationshipID: in.RelationshipID})
}

func (s identity) rejectRelationship(ctx context.Context, in *relationshipDecisionInput) (*door.Accepted, error) {
	me, err := s.answerable(ctx, in)
	if err != nil {
		return nil, err
	}
	reason := in.reason("rejected")
	return s.decided(ctx, in, reason, &command.RejectRelationship{ActorID: me, RelationshipID: in.RelationshipID, Reason: reason})
}

func (s identity) endRelationship(ctx context.Context, in *relationshipDecisionInput) (*door.Accepted, error) {
	me, _, err := s.party(ctx, in, status.RelationshipConfirmed)
	if err != nil {
		return nil, err
	}
	reason := in.reason("ended")
	return s.decided(ctx, in, reason, &command.EndRelationship{ActorID: me, RelationshipID: in.RelationshipID, Reason: reason})
}

func (s identity) decided(ctx context.Context, in *relationshipDecisionInput, reason string, p command.Payload) (*door.Accepted, error) {
	return s.Submit(ctx, door.Submission{
		Payload: p, Request: map[string]string{"relationshipId": in.RelationshipID, "reason": reason},
		Receipt: door.Receipt{Message: "Accepted.", AggregateID: in.RelationshipID},
	})
}

// party returns who acts on a relationship, which must have a status.
func (s identity) party(ctx context.Context, in *relationshipDecisionInput, want status.Relationship) (string, readmodel.RelationshipState, error) {
	me, err := s.Actor(ctx)
	if err != nil {
		return "", readmodel.RelationshipState{}, err
	}
	r, err := readmodel.Relationship(ctx, s.Pool, in.RelationshipID)
	if err == nil && r.Status != want {
		err = s.Refuse(ctx, problem.New(http.StatusConflict, "invalid_state", "The relationship is "+string(r.Status)+"."))
	}
	return me, r, err
}

// answerable returns who acts when it is for them to agree or not.
func (s identity) answerable(ctx context.Context, in *relationshipDecisionInput) (string, error) {
	me, r, err := s.party(ctx, in, status.RelationshipPending)
	if err == nil && r.ObjectID != me {
		err = problem.New(http.StatusForbidden, "forbidden", "That is for the other person to say.")
	}
	return me, err
}
