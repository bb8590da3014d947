package contract

import (
	"time"

	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/status"
	"gxcoin.money/gx/protocol/trust"
)

// maxRelationships bounds the confirmed relationships of a person, which a trust
// score is made of.
const maxRelationships = 500

// Relationship is what one person claims to be to another: "subject is
// <type> object". The subject asked for it.
type Relationship struct {
	RelationshipID string              `json:"relationshipID"`
	SubjectID      string              `json:"subjectID"`
	ObjectID       string              `json:"objectID"`
	Relation       trust.Relation      `json:"type"`
	Status         status.Relationship `json:"status"`
	CreatedAt      time.Time           `json:"createdAt"`
	ConfirmedAt    *time.Time          `json:"confirmedAt,omitzero"`
	EndedAt        *time.Time          `json:"endedAt,omitzero"` // rejected or ended
	EndedBy        string              `json:"endedBy,omitzero"`
	Reason         string              `json:"reason,omitzero"`
}

func init() {
	handle(requestRelationship, func(p *command.RequestRelationship) []string {
		r := trust.Relationship{Subject: p.ActorID, Relation: p.Relation, Object: p.ObjectID}
		return []string{accountKey(p.ActorID), accountKey(p.ObjectID), relationshipKey(r.ID()), relationshipKey(r.Mirror().ID())}
	}, "RelationshipRequested")
	handle(confirmRelationship, func(p *command.ConfirmRelationship) []string { return relationshipKeys(p.ActorID, p.RelationshipID) },
		"RelationshipConfirmed", "TrustScoreUpdated")
	handle(rejectRelationship, func(p *command.RejectRelationship) []string { return relationshipKeys(p.ActorID, p.RelationshipID) },
		"RelationshipRejected")
	handle(endRelationship, func(p *command.EndRelationship) []string { return relationshipKeys(p.ActorID, p.RelationshipID) },
		"RelationshipEnded", "TrustScoreUpdated")
	query(command.IdentityContract, "GetRelationship", []string{"relationshipID"}, func(t *tx, args []string) (*Relationship, error) {
		return t.relationship(args[0])
	})
	query(command.IdentityContract, "GetMyProfile", []string{"userID"}, getMyProfile)
}

func relationshipKey(id string) string { return compositeKey("rel", id) }

// confirmedKey is the entry of a confirmed relationship in the index of one of
// its ends.
func confirmedKey(userID, relationshipID string) string {
	return compositeKey("relBy", userID, relationshipID)
}

func relationshipKeys(actorID, relationshipID string) []string {
	r, _ := trust.ParseID(relationshipID) // of a validated payload
	return []string{accountKey(actorID), relationshipKey(relationshipID), userKey(r.Subject), userKey(r.Object)}
}

func (t *tx) relationship(id string) (*Relationship, error) {
	r, err := load[Relationship](t, relationshipKey(id))
	if err == nil && r == nil {
		err = refuse(CodeNotFound, "relationship %s does not exist", id)
	}
	return r, err
}

func (t *tx) setRelationship(r *Relationship) error {
	return store(t, relationshipKey(r.RelationshipID), r)
}

// open reports whether a relationship exists or waits for its confirmation.
func (r *Relationship) open() bool {
	return r != nil && (r.Status == status.RelationshipPending || r.Status == status.RelationshipConfirmed)
}

func requestRelationship(t *tx, p *command.RequestRelationship) (any, error) {
	for _, id := range [...]string{p.ActorID, p.ObjectID} {
		if _, err := t.actor(id); err != nil {
			return nil, err
		}
	}
	claim := trust.Relationship{Subject: p.ActorID, Relation: p.Relation, Object: p.ObjectID}
	old, err := load[Relationship](t, relationshipKey(claim.ID()))
	if err != nil {
		return nil, err
	}
	switch {
	case old.open():
		return nil, refuse(CodeAlreadyExists, "relationship %s already exists", old.RelationshipID)
	case old != nil && old.Status == status.RelationshipRejected && t.now.Before(old.EndedAt.Add(trust.Retry)):
		return nil, refuse(CodeInvalidState, "relationship %s was rejected less than 7 days ago", old.RelationshipID)
	}
	if claim.Relation.Symmetric() {
		mirror, err := load[Relationship](t, relationshipKey(claim.Mirror().ID()))
		if err != nil {
			return nil, err
		}
		if mirror.open() {
			return nil, refuse(CodeAlreadyExists, "relationship %s already exists", mirror.RelationshipID)
		}
	}
	r := &Relationship{
		RelationshipID: claim.ID(), SubjectID: claim.Subject, ObjectID: claim.Object, Relation: claim.Relation,
		Status: status.RelationshipPending, CreatedAt: t.now,
	}
	if err := t.setRelationship(r); err != nil {
		return nil, err
	}
	return map[string]string{"relationshipID": r.RelationshipID}, t.emit(&event.RelationshipRequested{
		RelationshipID: r.RelationshipID, SubjectID: r.SubjectID, ObjectID: r.ObjectID, Relation: r.Relation,
	})
}

// answer returns a relationship that its object, who acts, may decide on.
func (t *tx) answer(actorID, id string) (*Relationship, error) {
	if _, err := t.actor(actorID); err != nil {
		return nil, err
	}
	r, err := t.relationship(id)
	switch {
	case err != nil:
		return nil, err
	case r.ObjectID != actorID:
		return nil, refuse(CodeUnauthorized, "only %s can answer relationship %s", r.ObjectID, id)
	case r.Status != status.RelationshipPending:
		return nil, refuse(CodeInvalidState, "relationship %s is %s", id, r.Status)
	}
	return r, nil
}

func confirmRelationship(t *tx, p *command.ConfirmRelationship) (any, error) {
	r, err := t.answer(p.ActorID, p.RelationshipID)
	if err != nil {
		return nil, err
	}
	r.Status, r.ConfirmedAt = status.RelationshipConfirmed, &t.now
	if err := t.setRelationship(r); err != nil {
		return nil, err
	}
	if err := t.emit(&event.RelationshipConfirmed{
		RelationshipID: r.RelationshipID, SubjectID: r.SubjectID, ObjectID: r.ObjectID, Relation: r.Relation,
	}); err != nil {
		return nil, err
	}
	for _, id := range r.ends() {
		t.put(confirmedKey(id, r.RelationshipID), []byte{'1'})
		edges, err := t.edges(id)
		if err != nil {
			return nil, err
		}
		if len(edges) > maxRelationships {
			return nil, refuse(CodeLimitExceeded, "%s has %d relationships already", id, maxRelationships)
		}
		if err := t.updateTrust(id, edges); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func rejectRelationship(t *tx, p *command.RejectRelationship) (any, error) {
	r, err := t.answer(p.ActorID, p.RelationshipID)
	if err != nil {
		return nil, err
	}
	r.Status, r.EndedAt, r.EndedBy, r.Reason = status.RelationshipRejected, &t.now, p.ActorID, p.Reason
	if err := t.setRelationship(r); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.RelationshipRejected{
		RelationshipID: r.RelationshipID, SubjectID: r.SubjectID, ObjectID: r.ObjectID, Relation: r.Relation, Reason: p.Reason,
	})
}

func endRelationship(t *tx, p *command.EndRelationship) (any, error) {
	if _, err := t.actor(p.ActorID); err != nil {
		return nil, err
	}
	r, err := t.relationship(p.RelationshipID)
	switch {
	case err != nil:
		return nil, err
	case p.ActorID != r.SubjectID && p.ActorID != r.ObjectID:
		return nil, refuse(CodeUnauthorized, "%s is no part of relationship %s", p.ActorID, r.RelationshipID)
	case r.Status != status.RelationshipConfirmed:
		return nil, refuse(CodeInvalidState, "relationship %s is %s", r.RelationshipID, r.Status)
	}
	r.Status, r.EndedAt, r.EndedBy, r.Reason = status.RelationshipEnded, &t.now, p.ActorID, p.Reason
	if err := t.setRelationship(r); err != nil {
		return nil, err
	}
	if err := t.emit(&event.RelationshipEnded{
		RelationshipID: r.RelationshipID, SubjectID: r.SubjectID, ObjectID: r.ObjectID, Relation: r.Relation, EndedBy: p.ActorID, Reason: p.Reason,
	}); err != nil {
		return nil, err
	}
	for _, id := range r.ends() {
		t.delete(confirmedKey(id, r.RelationshipID))
		edges, err := t.edges(id)
		if err != nil {
			return nil, err
		}
		if err := t.updateTrust(id, edges); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (r *Relationship) ends() [2]string { return [2]string{r.SubjectID, r.ObjectID} }

// edges returns the confirmed relationships of a person.
func (t *tx) edges(userID string) ([]trust.Edge, error) {
	var edges []trust.Edge
	var failure error
	err := t.scanPrefix(compositeKey("relBy", userID), func(key string, _ []byte) bool {
		var r trust.Relationship
		if r, failure = trust.ParseID(attributes(key)[1]); failure != nil {
			return false
		}
		e := trust.Edge{Relation: r.Relation, Other: r.Object, Subject: true}
		if r.Object == userID {
			e.Other, e.Subject = r.Subject, false
		}
		edges = append(edges, e)
		return true
	})
	if failure != nil {
		return nil, failure
	}
	return edges, err
}

// updateTrust computes the trust score of a person anew.
func (t *tx) updateTrust(userID string, edges []trust.Edge) error {
	u, err := t.user(userID)
	if err != nil {
		return err
	}
	return t.setTrust(u, trust.Of(edges, u.LoanScoreAdj))
}

// adjustTrust adds what a loan did to the score of its borrower, and stores u.
func (t *tx) adjustTrust(u *User, loans int) error {
	u.LoanScoreAdj += loans
	edges, err := t.edges(u.UserID)
	if err != nil {
		return err
	}
	return t.setTrust(u, trust.Of(edges, u.LoanScoreAdj))
}

func (t *tx) setTrust(u *User, s trust.Score) error {
	u.TrustScore = s.Total
	if err := t.setUser(u); err != nil {
		return err
	}
	return t.emit(&event.TrustScoreUpdated{
		UserID: u.UserID, Score: s.Total, Family: s.Family, Business: s.Business, Friends: s.Friends, Loans: s.Loans,
	})
}

// Profile is a person with their confirmed relationships.
type Profile struct {
	User          *userView       `json:"user"`
	Relationships []*Relationship `json:"relationships"`
}

func getMyProfile(t *tx, args []string) (*Profile, error) {
	u, err := getUser(t, args)
	if err != nil {
		return nil, err
	}
	out := &Profile{User: u, Relationships: []*Relationship{}}
	var keys []string
	if err := t.scanPrefix(compositeKey("relBy", args[0]), func(key string, _ []byte) bool {
		keys = append(keys, relationshipKey(attributes(key)[1]))
		return true
	}); err != nil {
		return nil, err
	}
	if err := t.prefetch(keys); err != nil {
		return nil, err
	}
	for _, key := range keys {
		r, err := load[Relationship](t, key)
		if err != nil {
			return nil, err
		}
		if r != nil {
			out.Relationships = append(out.Relationships, r)
		}
	}
	return out, nil
}
