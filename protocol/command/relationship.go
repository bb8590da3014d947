package command

import (
	"gxcoin.money/gx/protocol/role"
	"gxcoin.money/gx/protocol/trust"
)

// The command types that tie people together, of IdentityContract.
const (
	TypeRequestRelationship Type = "REQUEST_RELATIONSHIP"
	TypeConfirmRelationship Type = "CONFIRM_RELATIONSHIP"
	TypeRejectRelationship  Type = "REJECT_RELATIONSHIP"
	TypeEndRelationship     Type = "END_RELATIONSHIP"
)

// RequestRelationship claims that the actor is Relation of another person.
type RequestRelationship struct {
	ActorID  string         `json:"actorID"`
	ObjectID string         `json:"objectID"`
	Relation trust.Relation `json:"type"`
}

// ConfirmRelationship agrees to what another person claimed.
type ConfirmRelationship struct {
	ActorID        string `json:"actorID"`
	RelationshipID string `json:"relationshipID"` // of trust.Relationship.ID
}

// RejectRelationship refuses what another person claimed.
type RejectRelationship struct {
	ActorID        string `json:"actorID"`
	RelationshipID string `json:"relationshipID"`
	Reason         string `json:"reason"`
}

// EndRelationship dissolves a confirmed relationship; either side may.
type EndRelationship struct {
	ActorID        string `json:"actorID"`
	RelationshipID string `json:"relationshipID"`
	Reason         string `json:"reason"`
}

func init() {
	define(Definition{TypeRequestRelationship, IdentityContract, "RequestRelationship", []role.Role{role.PartnerAPI}, func() Payload { return new(RequestRelationship) }})
	define(Definition{TypeConfirmRelationship, IdentityContract, "ConfirmRelationship", []role.Role{role.PartnerAPI}, func() Payload { return new(ConfirmRelationship) }})
	define(Definition{TypeRejectRelationship, IdentityContract, "RejectRelationship", []role.Role{role.PartnerAPI}, func() Payload { return new(RejectRelationship) }})
	define(Definition{TypeEndRelationship, IdentityContract, "EndRelationship", []role.Role{role.PartnerAPI}, func() Payload { return new(EndRelationship) }})
}

func (*RequestRelationship) CommandType() Type { return TypeRequestRelationship }
func (p *RequestRelationship) Actor() string   { return p.ActorID }
func (p *RequestRelationship) Lanes() []Lane   { return touches(accountLanes(p.ActorID, p.ObjectID)...) }

func (p *RequestRelationship) Validate() error {
	var c checks
	c.userID("actorID", p.ActorID)
	c.userID("objectID", p.ObjectID)
	c.differ("objectID", p.ObjectID, p.ActorID, "actorID")
	if _, err := trust.ParseRelation(string(p.Relation)); err != nil {
		c.fail("type", "%v", err)
	}
	return c.err()
}

func (*ConfirmRelationship) CommandType() Type { return TypeConfirmRelationship }
func (p *ConfirmRelationship) Actor() string   { return p.ActorID }
func (p *ConfirmRelationship) Lanes() []Lane   { return relationshipLanes(p.ActorID, p.RelationshipID) }

func (p *ConfirmRelationship) Validate() error {
	var c checks
	c.relationship(p.ActorID, p.RelationshipID)
	return c.err()
}

func (*RejectRelationship) CommandType() Type { return TypeRejectRelationship }
func (p *RejectRelationship) Actor() string   { return p.ActorID }
func (p *RejectRelationship) Lanes() []Lane   { return relationshipLanes(p.ActorID, p.RelationshipID) }

func (p *RejectRelationship) Validate() error {
	var c checks
	c.relationship(p.ActorID, p.RelationshipID)
	c.reason(p.Reason)
	return c.err()
}

func (*EndRelationship) CommandType() Type { return TypeEndRelationship }
func (p *EndRelationship) Actor() string   { return p.ActorID }
func (p *EndRelationship) Lanes() []Lane   { return relationshipLanes(p.ActorID, p.RelationshipID) }

func (p *EndRelationship) Validate() error {
	var c checks
	c.relationship(p.ActorID, p.RelationshipID)
	c.reason(p.Reason)
	return c.err()
}

// relationshipLanes returns the lanes of an actor and of both ends of a
// relationship: the trust scores of both follow from it.
func relationshipLanes(actorID, relationshipID string) []Lane {
	r, _ := trust.ParseID(relationshipID) // of a validated payload
	return touches(accountLanes(actorID, r.Subject, r.Object)...)
}

func (c *checks) relationship(actorID, relationshipID string) {
	c.userID("actorID", actorID)
	if _, err := trust.ParseID(relationshipID); err != nil {
		c.fail("relationshipID", "%v", err)
	}
}
